-- Put a text on the board, and forget those who have been silent for long, or are too many.
--
-- KEYS  1  texts, a hash: process -> text
--       2  told, a sorted set: process -> when it told, in milliseconds by the clock of the server
--       3  lapses, a sorted set: process -> when its lease lapses, likewise
-- ARGV  1  process   2  text   3  milliseconds of its lease
--       4  milliseconds for which the silent are kept   5  how many processes at most
--
-- Of the silent each call forgets up to a hundred; all goes with the last of them.

local TEXTS, TOLD, LAPSES = KEYS[1], KEYS[2], KEYS[3]
local process, ttl, kept = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(names)
  for _, name in ipairs(names) do
    redis.call('HDEL', TEXTS, name)
    redis.call('ZREM', TOLD, name)
    redis.call('ZREM', LAPSES, name)
  end
end

redis.call('HSET', TEXTS, process, ARGV[2])
redis.call('ZADD', TOLD, now, process)
redis.call('ZADD', LAPSES, now + ttl, process)
forget(redis.call('ZRANGEBYSCORE', LAPSES, '-inf', now - kept, 'LIMIT', 0, 100))

local excess = redis.call('ZCARD', TOLD) - tonumber(ARGV[5])
if excess > 0 then
  forget(redis.call('ZRANGE', TOLD, 0, excess - 1))
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttl + kept)
end
