-- Record facts that no script decides.
--
-- KEYS: facts, heads, subjects, latest
-- ARGV: the most facts and subjects, the app; then for each fact how many words it has, and the
-- words: field, value, ...

local stream = stream_at(1, 1)
local i = 4
while i <= #ARGV do
  local fields = {}
  for word = i + 1, i + tonumber(ARGV[i]) do
    fields[#fields + 1] = ARGV[word]
  end
  record(stream, ARGV[3], fields)
  i = i + #fields + 1
end
