-- Say that a process lives, and learn which do.
--
-- KEYS: living, a ZSET: owner -> until when, in milliseconds by the clock of the server
-- ARGV: the owner, for how many milliseconds
-- Reply: the owners

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
