-- Give up seats of one gateway in one channel.
--
-- KEYS: as seats.lua
-- ARGV: as seats.lua; then the grace in milliseconds, and the socket ids

local grace = tonumber(ARGV[FIRST])

for i = FIRST + 1, #ARGV do
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
