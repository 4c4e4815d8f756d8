#!lua flags=allow-oom
-- Read a channel's position and, after another one, its entries.
--
-- KEYS  1  meta, 2  entries: see publish.lua
-- ARGV  1  epoch, should the channel have none   2  ms to keep meta
--       3  epoch and 4  offset to read after, or an empty epoch to read no entries
--       5  most entries to read
--       6  ms to keep the meta of a channel that has had no entry
-- Returns {epoch, offset, entries as XRANGE does}; no entries where the epoch is another.
--
-- A reader gives a channel its epoch, so that what it was told still holds after the first
-- publication.  It may do so when memory is short: it takes a few bytes, and repairing a gap must
-- go on.  Anybody may listen to any name, so what only was listened to is kept for a while alone,
-- and renewed by those who go on.

local meta = redis.call('HMGET', KEYS[1], 'e', 'o')
local epoch, offset = meta[1], tonumber(meta[2] or 0)

if not epoch then
  epoch, offset = ARGV[1], 0
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
elseif offset == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
elseif redis.call('PTTL', KEYS[1]) < ARGV[2] / 2 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- An idle channel with listeners keeps its epoch.
end

local after = tonumber(ARGV[4])
if ARGV[3] ~= epoch or after < 0 or after >= offset then
  return {epoch, offset, {}}
end
return {epoch, offset, redis.call('XRANGE', KEYS[2], (after + 1) .. '-0', '+', 'COUNT', ARGV[5])}
