#!lua flags=allow-oom
-- Make the origin of a partition's channels where there is none, and tell it.
--
-- KEYS  1  origin: see publish.lua
-- ARGV  1  what it becomes, if there is none
--
-- Strangers come here, and may without memory left: there is one a partition, and it stays.

local known = redis.pcall('GET', KEYS[1])
if type(known) == 'string' and string.match(known, '^%x+o$') then
  return known
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
