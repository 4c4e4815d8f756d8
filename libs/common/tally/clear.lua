-- Take off what a cleared gateway has of one subject, and announce the new total of a channel.
--
-- KEYS: as numbers.lua
-- ARGV: gateway, subject, name, feed
-- Reply: 1 if it had some

if not redis.call('ZSCORE', CLEARED, GATEWAY) then
  return 0
end
local had = redis.call('HEXISTS', NUMBERS, GATEWAY)
let_go()
if CHANNELS and had == 1 then
  announce(total())
end
return had
