-- Change the info of members who sit on seats of one gateway in one channel.
--
-- KEYS: as seats.lua
-- ARGV: as seats.lua; then for each seat: socket id, user id, info

for i = FIRST, #ARGV, 3 do
  local gateway, user_id = occupant_of(ARGV[i])
  if gateway == GATEWAY and user_id == ARGV[i + 1] then
    redis.call('HSET', INFOS, user_id, ARGV[i + 2])
  end
end
