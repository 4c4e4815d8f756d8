-- Clear those seats of one gateway in one channel that are due: looked up before, and judged here.
--
-- KEYS: as seats.lua
-- ARGV: as seats.lua; then the socket ids
-- Reply: how many seats were cleared

local is_cleared = redis.call('ZSCORE', CLEARED, GATEWAY)

local function is_due(seat)
  local due = redis.call('ZSCORE', LEAVING, seat)
  return is_cleared or (due and tonumber(due) <= now)
end

local cleared = 0
for i = FIRST, #ARGV do
  local socket_id = ARGV[i]
  local gateway, user_id = occupant_of(socket_id)
  if gateway ~= GATEWAY then
    let_go(GATEWAY, socket_id)
  elseif is_due(seat_of(GATEWAY, socket_id)) then
    rise(GATEWAY, socket_id, user_id)
    cleared = cleared + 1
  end
end
return cleared
