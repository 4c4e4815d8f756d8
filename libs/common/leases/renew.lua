-- Take or renew a gateway's lease in one partition.
--
-- KEYS: leases, lapsed, cleared, renewed (gateway -> when it renewed last)
-- ARGV: gateway, milliseconds
-- Reply: 1 if the gateway had a lease, 0 if it takes one now, -1 if it was cleared

local LEASES, LAPSED, CLEARED, RENEWED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local gateway, ttl = ARGV[1], ARGV[2]

if redis.call('ZSCORE', CLEARED, gateway) then
  return -1
end
-- 0 is what a join without a lease leaves.
local lapses_at = tonumber(redis.call('ZSCORE', LEASES, gateway) or 0)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', LEASES, now + ttl, gateway)
redis.call('ZADD', RENEWED, now, gateway)
redis.call('ZREM', LAPSED, gateway)
return lapses_at > 0 and 1 or 0
