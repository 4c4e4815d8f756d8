#!lua flags=no-writes
-- Read a channel's position, and entries.
--
-- KEYS  1  meta, 2  entries: see publish.lua, also on the origin
-- ARGV  1  offset to read after; below 0: no entries   2  most entries to read
-- Returns {epoch; offset; entries as XRANGE does; ms that meta is still kept}.  Of a channel
-- without entries the epoch is the origin, or nothing where there is none.
--
-- Anybody may ask for any name, so that asking may not write.  A meta with offset 0 is of a former
-- release, which did; it holds nothing.

local meta = redis.call('HMGET', KEYS[1], 'e', 'o')
local epoch, offset = meta[1], tonumber(meta[2] or 0)
if offset == 0 then
  local origin = redis.pcall('GET', string.match(KEYS[1], '^.-}') .. ':origin')
  local is_origin = type(origin) == 'string' and string.match(origin, '^%x+o$')
  return {is_origin and origin or false, 0, {}, 0}
end
-- What somebody else wrote there is thrown away by whoever is told so (`bus.redis`).
local is_position = offset and offset > 0 and offset <= 2 ^ 53
assert(is_position and string.match(epoch or '', '^%w+$'), 'no position')

local after, entries = tonumber(ARGV[1]), {}
if after >= 0 and after < offset then
  entries = redis.call('XRANGE', KEYS[2], (after + 1) .. '-0', '+', 'COUNT', ARGV[2])
end
return {epoch, offset, entries, redis.call('PTTL', KEYS[1])}
