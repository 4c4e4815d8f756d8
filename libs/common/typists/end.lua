-- Announce who types in one channel, if it is due: looked up before, and judged here.
--
-- KEYS: as typists.lua
-- ARGV: as typists.lua; then what to reply

local at = redis.call('ZSCORE', DUE, CHANNEL)
if at and tonumber(at) <= now then
  settle(true)
end
return tonumber(ARGV[FIRST])
