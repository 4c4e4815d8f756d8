-- Judge the leases of one partition.
--
-- KEYS: leases, lapsed (gateway -> when a sweep first saw that its lease had lapsed), cleared,
-- renewed (gateway -> when it renewed last, until it ends its lease or is cleared)
-- ARGV: grace in milliseconds, the most gateways to judge and to return
-- Reply: gateways that are cleared and may still hold something; how many of them are cleared just
-- now, and had not ended their leases themselves
--
-- A gateway is in cleared before what it holds is read, so that this only shrinks.  It stays in
-- lapsed until it holds nothing: a sweep that ends half-way is continued by the next.

local LEASES, LAPSED, CLEARED, RENEWED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local grace, share = tonumber(ARGV[1]), ARGV[2]
local CLEARED_FOR = 86400 * 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function due(key, instant)
  return redis.call('ZRANGEBYSCORE', key, '-inf', instant, 'LIMIT', 0, share)
end

for _, gateway in ipairs(due(LEASES, now)) do
  redis.call('ZREM', LEASES, gateway)
  redis.call('ZADD', LAPSED, 'NX', now, gateway)
end
redis.call('ZREMRANGEBYSCORE', CLEARED, '-inf', now - CLEARED_FOR)
local gateways = due(LAPSED, now - grace)
local given_up = 0
for _, gateway in ipairs(gateways) do
  redis.call('ZADD', CLEARED, 'NX', now, gateway)
  given_up = given_up + redis.call('ZREM', RENEWED, gateway)
end
return {gateways, given_up}
