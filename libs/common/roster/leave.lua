-- Give up seats of one gateway in one channel.
--
-- KEYS: as seats.lua
-- ARGV: channel, feed, gateway, grace in milliseconds; then the socket ids

local grace = tonumber(ARGV[4])

for i = 5, #ARGV do
  local socket_id = ARGV[i]
  local gateway, user_id = occupant_of(socket_id)
  if gateway == GATEWAY then
    if grace > 0 then
      redis.call('ZADD', LEAVING, 'NX', now + grace, seat_of(gateway, socket_id))
    else
      rise(gateway, socket_id, user_id)
    end
  end
end
