-- Read what follows the place of a sink.
--
-- First comes what is left of facts that the stream has no room for.
--
-- KEYS: facts, heads, subjects, latest, places, a HASH: sink -> "<epoch> <number>"
-- ARGV: the app, the sink, the most facts; and, where something else than its place counts, the
-- epoch and the number of a fact
-- Reply: the epoch, the number that the sink has had, or -1 if it is new here, the facts, and how
-- many of them are of the first kind

local FACTS, HEADS, SUBJECTS, LATEST, PLACES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local most = tonumber(ARGV[3])

local head = redis.call('HGET', HEADS, ARGV[1])
local epoch = string.match(head or '', '^(%d+) %d+$')
if not epoch then
  return { '', -1, {}, 0 }
end
local known, number = ARGV[4], ARGV[5]
if not known then
  local place = redis.call('HGET', PLACES, ARGV[2]) or ''
  known, number = string.match(place, '^(%d+) (%d+)$')
end
local had = known == epoch and number or '-1'

local found, from = {}, had
while #found < most do
  local left = redis.call(
    'ZRANGEBYSCORE', SUBJECTS, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most - #found
  )
  for i = 1, #left, 2 do
    local packed = redis.call('HGET', LATEST, left[i])
    local is_readable, entry = pcall(cmsgpack.unpack, packed or '')
    -- Else what it was is forgotten; the facts of the others are not.
    if is_readable and type(entry) == 'table' and #entry == 2 then
      found[#found + 1] = entry
    end
  end
  if #left == 0 then
    break
  end
  from = left[#left]
end
local before = #found
if before < most then
  local after = had == '-1' and '-' or '(' .. had .. '-0'
  for _, entry in ipairs(redis.call('XRANGE', FACTS, after, '+', 'COUNT', most - before)) do
    found[#found + 1] = entry
  end
end
return { epoch, had, found, before }
