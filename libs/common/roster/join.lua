-- Seat connections of one gateway in one channel.
--
-- KEYS: as seats.lua
-- ARGV: as seats.lua; then for each connection: socket id, user id, info, limit
-- Reply: version, [user id, info, ...], whether each was refused; or nothing if the gateway was
-- cleared

local function sit(socket_id, user_id, info)
  redis.call('HSET', SEATS, socket_id, GATEWAY .. ' ' .. user_id)
  redis.call('SADD', HELD, seat_of(GATEWAY, socket_id))
  if count(user_id, 1) == 1 then
    redis.call('HSET', INFOS, user_id, info)
    announce('+', user_id, info)
    redis.call('PERSIST', VERSION)
    came(user_id)
  end
end

local function pass_on(former, socket_id, user_id)
  let_go(former, socket_id)
  redis.call('HSET', SEATS, socket_id, GATEWAY .. ' ' .. user_id)
  redis.call('SADD', HELD, seat_of(GATEWAY, socket_id))
end

local function is_full(user_id, limit)
  return limit > 0
    and redis.call('HLEN', COUNTS) >= limit
    and redis.call('HEXISTS', COUNTS, user_id) == 0
end

local function join(socket_id, user_id, info, limit)
  local former, former_user = occupant_of(socket_id)
  if former_user == user_id then
    pass_on(former, socket_id, user_id)
    return 0
  end
  if former then
    rise(former, socket_id, former_user)
  end
  if is_full(user_id, limit) then
    return 1
  end
  sit(socket_id, user_id, info)
  return 0
end

if redis.call('ZSCORE', CLEARED, GATEWAY) then
  return {}
end
-- Who joins without a lease must not stay for ever: it gets one that lapsed long ago.
redis.call('ZADD', LEASES, 'NX', 0, GATEWAY)

local refused = {}
for i = FIRST, #ARGV, 4 do
  refused[#refused + 1] = join(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]))
end
local reply = members()
reply[3] = refused
return reply
