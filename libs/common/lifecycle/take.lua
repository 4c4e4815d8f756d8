-- Take a partition, or keep it.
--
-- KEYS: owner, a HASH: owner, until (milliseconds by the clock of the server), fence
-- ARGV: who wants it, for how many milliseconds
-- Reply: the fence, or 0 if somebody else has it

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, expires, fence = unpack(redis.call('HMGET', KEYS[1], 'owner', 'until', 'fence'))
local over_at = tonumber(expires or nil) or 0

-- Nobody takes it for days: what says so is not ours.
if owner and owner ~= ARGV[1] and over_at > now and over_at < now + 86400000 then
  return 0
end
if fence and not string.match(fence, '^%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$') then
  redis.call('HDEL', KEYS[1], 'fence')
  owner = false
end
if owner ~= ARGV[1] then
  -- Begins at the present instant in microseconds: above any that was given before data were lost.
  redis.call('HSETNX', KEYS[1], 'fence', string.format('%.0f', time[1] * 1000000 + time[2]))
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
end
local expiry = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', expiry)
return tonumber(redis.call('HGET', KEYS[1], 'fence'))
