-- Name seats of one partition whose grace is over.
--
-- KEYS: leaving
-- ARGV: the most to return
-- Reply: seats, as `seats.lua` writes them

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
