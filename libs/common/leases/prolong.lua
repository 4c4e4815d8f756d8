-- Renew a gateway's lease in one partition, if it has one; never take one.
--
-- KEYS: leases, lapsed, renewed (gateway -> when it renewed last, until it ends its lease or is
-- cleared)
-- ARGV: gateway, milliseconds
-- Reply: 1 if it has one, also one that lapsed and is in its grace; 0 if not

local LEASES, LAPSED, RENEWED = KEYS[1], KEYS[2], KEYS[3]
local gateway, ttl = ARGV[1], ARGV[2]

-- 0 is what a join without a lease leaves.
local has_lease = tonumber(redis.call('ZSCORE', LEASES, gateway) or 0) > 0
local is_in_grace = redis.call('ZSCORE', LAPSED, gateway) and redis.call('ZSCORE', RENEWED, gateway)
if not has_lease and not is_in_grace then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', LEASES, now + ttl, gateway)
redis.call('ZADD', RENEWED, now, gateway)
redis.call('ZREM', LAPSED, gateway)
return 1
