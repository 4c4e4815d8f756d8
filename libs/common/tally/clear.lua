-- Take off what a cleared gateway has of one subject, and announce the new total of a channel.
--
-- KEYS: as numbers.lua
-- ARGV: as numbers.lua
-- Reply: 1 if it had some

if not redis.call('ZSCORE', CLEARED, GATEWAY) then
  return 0
end
local had = redis.call('HGET', NUMBERS, GATEWAY)
let_go()
if not had then
  return 0
end
if CHANNELS then
  note(true)
  announce(total())
end
return 1
