#!lua
-- Append a broadcast to its channel's history and announce it, unless its source brought it before
-- or its token is known.  A cache channel keeps it besides.
--
-- KEYS  1  meta, a hash: e epoch, o offset, s:<source> "<sequence> <newest timestamp>" of what it
--          appended
--       2  entries, a stream: the ids are <offset>-0, field d is the envelope
--       3  cache, "<epoch> <offset>\n<envelope>" of the last entry; only with ARGV 12
--       the last: token, the epoch in which it was published; only with ARGV 13
-- ARGV  1  envelope               2  feed to announce it on    3  what no other life has
--       4  most entries to keep   5  ms to keep entries        6  ms to keep meta
--       7  source, or empty       8  its sequence              9  its timestamp
--       from 7 on: left out where there is neither a source nor what comes after it
--       10 sequence of the source's publication before this one for the channel, or empty
--       11 timestamp of that one
--       12 ms to keep cache, empty or left out where the channel is none
--       13 ms to keep token, empty or left out where there is none; never with a source
-- Returns {1 appended, 0 repeated or -1 the one before is missing; epoch; offset}.
--
-- Without that last check, a publication that failed in the middle of a pipeline would count as
-- repeated when it is sent again, because a later one had raised the source's sequence meanwhile.
-- A token is a key of its own, so that with it each publication of a call is judged alone.  It
-- holds for an epoch: a channel that was lost has seen nothing.  With the shebang, a server that is
-- out of memory, read-only or without its replicas refuses the whole script at its start.
--
-- The epoch of a life begins with the origin of its partition, a key beside the others.  It is none
-- of KEYS, so that living channels need not be where it is, while their slot moves in a cluster;
-- nothing is born meanwhile, as KEYS that are nowhere are refused.

local source = ARGV[7] or ''
local mark = source ~= '' and {'s:' .. source} or {}
local meta = redis.call('HMGET', KEYS[1], 'e', 'o', unpack(mark))
local offset = tonumber(meta[2] or 0)
local epoch = offset ~= 0 and meta[1] -- With 0 a former release made it, for who only listened.
-- What somebody else wrote there is thrown away by whoever is told so (`bus.redis`).
local is_position = offset and offset >= 0 and offset <= 2 ^ 53
assert(is_position and string.match(epoch or 'a', '^%w+$'), 'no position')
local watermark = {}
local cache, cache_ttl = KEYS[3], ARGV[12] or ''
local token, token_ttl = KEYS[#KEYS], ARGV[13] or ''

if source ~= '' then
  local sequence, newest = string.match(meta[3] or '-1 0', '^(%S+) (%S+)$')
  sequence, newest = tonumber(sequence), tonumber(newest)
  if epoch and tonumber(ARGV[8]) <= sequence and tonumber(ARGV[9]) <= newest then
    return {0, epoch, offset}
  end
  if ARGV[10] ~= '' and (tonumber(ARGV[10]) > sequence or tonumber(ARGV[11]) > newest) then
    return {-1, epoch or '', offset}
  end
  -- A lower sequence with a newer timestamp belongs to a log that was made anew: it starts over.
  newest = math.max(newest, tonumber(ARGV[9]))
  watermark = {mark[1], ARGV[8] .. ' ' .. string.format('%.17g', newest)}
elseif token_ttl ~= '' and epoch and redis.call('GET', token) == epoch then
  return {0, epoch, offset}
end

if not epoch then
  local origin = string.match(KEYS[1], '^.-}') .. ':origin'
  local known = redis.pcall('GET', origin)
  if type(known) ~= 'string' or not string.match(known, '^%x+o$') then
    known = ARGV[3] .. 'o'
    redis.call('SET', origin, known)
  end
  epoch = known .. ARGV[3]
  redis.call('DEL', KEYS[2])
end
offset = offset + 1
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], offset .. '-0', 'd', ARGV[1])
redis.call('HSET', KEYS[1], 'e', epoch, 'o', offset, unpack(watermark))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if cache_ttl ~= '' then
  redis.call('SET', cache, epoch .. ' ' .. offset .. '\n' .. ARGV[1], 'PX', cache_ttl)
end
if token_ttl ~= '' then
  redis.call('SET', token, epoch, 'PX', token_ttl)
end
redis.call('PUBLISH', ARGV[2], 'e1 ' .. epoch .. ' ' .. offset .. '\n' .. ARGV[1])
return {1, epoch, offset}
