-- Record facts that no script decides.
--
-- KEYS: facts, heads
-- ARGV: the app; then for each fact how many words it has, and the words: field, value, ...

local i = 2
while i <= #ARGV do
  local fields = {}
  for word = i + 1, i + tonumber(ARGV[i]) do
    fields[#fields + 1] = ARGV[word]
  end
  record(KEYS[1], KEYS[2], ARGV[1], fields)
  i = i + #fields + 1
end
