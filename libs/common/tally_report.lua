-- Say how many one gateway has of one subject.
--
-- KEYS: as tally.lua
-- ARGV: gateway, subject, name, feed; number, limit, 1 to announce a change
-- Reply: what it is counted with, the total, 1 if that is in doubt; or nothing if the gateway was cleared

local number, limit = tonumber(ARGV[5]), tonumber(ARGV[6])

local function keep(held)
  -- Who counts without a lease must not count for ever: it gets one that lapsed long ago.
  redis.call('ZADD', LEASES, 'NX', 0, GATEWAY)
  redis.call('HSET', NUMBERS, GATEWAY, held)
  redis.call('SADD', HELD, SUBJECT)
  if CHANNELS then
    redis.call('ZADD', CHANNELS, 0, NAME)
  end
end

local function are_in_doubt(gateways)
  if #gateways == 0 then
    return 0
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for _, lapses_at in ipairs(redis.call('ZMSCORE', LEASES, unpack(gateways))) do
    if not lapses_at or tonumber(lapses_at) <= now then
      return 1
    end
  end
  return 0
end

if redis.call('ZSCORE', CLEARED, GATEWAY) then
  return {}
end
local mine, others, other_gateways = 0, 0, {}
local gateways, numbers = counted()
for i, gateway in ipairs(gateways) do
  if gateway == GATEWAY then
    mine = numbers[i]
  else
    others = others + numbers[i]
    other_gateways[#other_gateways + 1] = gateway
  end
end

local held = number
if limit > 0 then
  held = math.min(number, math.max(mine, limit - others))
end
-- Also if nothing changed, so that what was lost beside the numbers is there again.
if held > 0 then
  keep(held)
else
  let_go()
end
if held ~= mine and ARGV[7] == '1' then
  announce(others + held)
end
return { held, others + held, are_in_doubt(other_gateways) }
