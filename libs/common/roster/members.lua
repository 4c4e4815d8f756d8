-- Read who is in one channel.
--
-- KEYS: as seats.lua, the channel's four
-- ARGV: channel
-- Reply: version, [user id, info, ...]

return members()
