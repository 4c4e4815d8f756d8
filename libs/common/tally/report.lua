-- Say how many one gateway has of one subject.
--
-- KEYS: as numbers.lua
-- ARGV: as numbers.lua; then number, limit, 1 to announce a change
-- Reply: what it is counted with, the total, the longest silence of another gateway that is
-- counted; or nothing if the gateway was cleared

local number, limit = tonumber(ARGV[FIRST]), tonumber(ARGV[FIRST + 1])

local function keep(held)
  -- Who counts without a lease must not count for ever: it gets one that lapsed long ago.
  redis.call('ZADD', LEASES, 'NX', 0, GATEWAY)
  redis.call('HSET', NUMBERS, GATEWAY, held)
  redis.call('SADD', HELD, SUBJECT)
  if CHANNELS then
    redis.call('ZADD', CHANNELS, 0, NAME)
  end
end

-- How long ago that gateway renewed which did so longest ago, in milliseconds; -1 if a lease has
-- lapsed.
local function silence_of(gateways)
  if #gateways == 0 then
    return 0
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local leases = redis.call('ZMSCORE', LEASES, unpack(gateways))
  local renewed = redis.call('ZMSCORE', RENEWED, unpack(gateways))
  local longest = 0
  for i = 1, #gateways do
    if not renewed[i] or not leases[i] or tonumber(leases[i]) <= now then
      return -1
    end
    longest = math.max(longest, now - tonumber(renewed[i]))
  end
  return longest
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
local was_occupied = is_occupied()
-- Also if nothing changed, so that what was lost beside the numbers is there again.
if held > 0 then
  keep(held)
else
  let_go()
end
note(was_occupied)
if held ~= mine and ARGV[FIRST + 2] == '1' then
  announce(others + held)
end
return { held, others + held, silence_of(other_gateways) }
