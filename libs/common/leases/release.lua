-- End a gateway's lease in one partition, as if a sweep had just found it lapsed.
--
-- KEYS: leases, lapsed, renewed
-- ARGV: gateway

local LEASES, LAPSED, RENEWED = KEYS[1], KEYS[2], KEYS[3]
local gateway = ARGV[1]

redis.call('ZREM', RENEWED, gateway)
if redis.call('ZREM', LEASES, gateway) == 1 then
  local time = redis.call('TIME')
  redis.call('ZADD', LAPSED, 'NX', time[1] * 1000 + math.floor(time[2] / 1000), gateway)
end
