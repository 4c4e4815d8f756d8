-- Take or renew a gateway's lease in one partition.
--
-- KEYS: leases, lapsed, cleared
-- ARGV: gateway, milliseconds
-- Reply: 1, or 0 if the gateway was cleared

local LEASES, LAPSED, CLEARED = KEYS[1], KEYS[2], KEYS[3]
local gateway, ttl = ARGV[1], ARGV[2]

if redis.call('ZSCORE', CLEARED, gateway) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', LEASES, time[1] * 1000 + math.floor(time[2] / 1000) + ttl, gateway)
redis.call('ZREM', LAPSED, gateway)
return 1
