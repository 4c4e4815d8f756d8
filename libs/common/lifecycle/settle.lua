-- Drop what all sinks are done with, and the places of sinks that are no more.
--
-- KEYS: owner, facts, heads, subjects, latest, places
-- ARGV: the fence, the app; then the sinks
-- Reply: 1, or 0 if somebody else has the partition

local OWNER, FACTS, HEADS = KEYS[1], KEYS[2], KEYS[3]
local SUBJECTS, LATEST, PLACES = KEYS[4], KEYS[5], KEYS[6]
local MOST_DROPPED = 1000 -- Subjects at once; the rest is dropped when somebody settles again.

if redis.call('HGET', OWNER, 'fence') ~= ARGV[1] then
  return 0
end
local head = redis.call('HGET', HEADS, ARGV[2])
if not head then
  return 1
end
local epoch, newest = string.match(head, '^(%d+) (%d+)$')
if not epoch then
  return 1
end
local there, done = {}, tonumber(newest)
for i = 3, #ARGV do
  there[ARGV[i]] = true
  local place = redis.call('HGET', PLACES, ARGV[i]) or ''
  local known, number = string.match(place, '^(%d+) (%d+)$')
  done = math.min(done, known == epoch and tonumber(number) or 0)
end
for _, sink in ipairs(redis.call('HKEYS', PLACES)) do
  if not there[sink] then
    redis.call('HDEL', PLACES, sink)
  end
end

-- Nothing may go from the facts while something older stays: a new sink would take it for the last.
local last = redis.call('ZRANGE', SUBJECTS, -1, -1, 'WITHSCORES')[2]
if last and tonumber(last) > done then
  local had = redis.call('ZRANGEBYSCORE', SUBJECTS, '-inf', done, 'LIMIT', 0, MOST_DROPPED)
  if #had > 0 then
    redis.call('ZREM', SUBJECTS, unpack(had))
    redis.call('HDEL', LATEST, unpack(had))
  end
  return 1
end
redis.call('UNLINK', SUBJECTS, LATEST)
redis.call('XTRIM', FACTS, 'MINID', string.format('%.0f-0', done + 1))
return 1
