#!lua flags=allow-oom
-- Announce a command, remember it until it expires, and forget some that have.
--
-- KEYS  1  orders, a stream: field o is the command
--       2  expiries, a sorted set: id in the stream -> when the command is forgotten
--       3  texts, a sorted set: digest of a command -> when it is forgotten
--       4  kept, a sorted set: as 2, of the commands of one app and verb
-- ARGV  1  command   2  when it is forgotten, epoch milliseconds
--       3  commands that may stand in 4; 0: any number
-- Returns 0, or the milliseconds after which there is room, and nothing was announced.
--
-- One that is remembered already is not announced again: whoever listens has heard it, or will.
--
-- Commands live differently long, so the stream cannot be trimmed from its beginning.  Each call
-- brings one command and removes up to a hundred: their number is that of the commands in force,
-- and a few more.  None makes room for another: whoever was told that a token is revoked may rely
-- on it.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What is remembered of a stream that was lost or emptied is worth nothing.
if redis.call('XLEN', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
end

local digest = redis.sha1hex(ARGV[1])
local known = tonumber(redis.call('ZSCORE', KEYS[3], digest) or 0)
if known > now then
  return 0
end

redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
local most = tonumber(ARGV[3])
if most > 0 and redis.call('ZCARD', KEYS[4]) >= most then
  return redis.call('ZRANGE', KEYS[4], -most, -most, 'WITHSCORES')[2] - now
end
redis.call('ZADD', KEYS[3], ARGV[2], digest)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)

local id = redis.call('XADD', KEYS[1], '*', 'o', ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], id)
redis.call('ZADD', KEYS[4], ARGV[2], id)
redis.call('PEXPIREAT', KEYS[4], redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2])
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('XDEL', KEYS[1], expired)
  redis.call('ZREM', KEYS[2], expired)
end

local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
if last then
  redis.call('PEXPIREAT', KEYS[1], last)
  redis.call('PEXPIREAT', KEYS[2], last)
  redis.call('PEXPIREAT', KEYS[3], last)
else
  redis.call('DEL', KEYS[1], KEYS[3])
end
return 0
