-- Read who types in one channel.
--
-- KEYS: as typists.lua
-- ARGV: as typists.lua
-- Reply: how many, their ids or nothing, 1 if anything was announced

local count, ids = typing()
return { count, ids or false, redis.call('EXISTS', TOLD) }
