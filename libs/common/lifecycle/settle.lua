-- Drop what all sinks are done with, and the places of sinks that are no more.
--
-- KEYS: owner, facts, heads, places
-- ARGV: the fence, the app; then the sinks
-- Reply: 1, or 0 if somebody else has the partition

if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then
  return 0
end
local head = redis.call('HGET', KEYS[3], ARGV[2])
if not head then
  return 1
end
local epoch, newest = string.match(head, '^(%d+) (%d+)$')
local there, done = {}, tonumber(newest)
for i = 3, #ARGV do
  there[ARGV[i]] = true
  local place = redis.call('HGET', KEYS[4], ARGV[i]) or ''
  local known, number = string.match(place, '^(%d+) (%d+)$')
  done = math.min(done, known == epoch and tonumber(number) or 0)
end
for _, sink in ipairs(redis.call('HKEYS', KEYS[4])) do
  if not there[sink] then
    redis.call('HDEL', KEYS[4], sink)
  end
end
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', done + 1))
return 1
