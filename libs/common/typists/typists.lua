-- What the scripts about typists have in common; `typists.redis` puts it before each of them.
--
-- All keys are those of one channel and of its partition:
--   sources  ZSET  "<source> <user id>" -> until when that source says that the user types
--   told     HASH  digest, of what was announced last, at, when that was, and changed, 1 if it was
--                  another list in between, which somebody may have read; it expires
--   ended    ZSET  user id -> when all sources' word of that user was ended; it expires
--   counts   HASH  with a field for each member of a presence channel (`roster/seats.lua`)
--   due      ZSET  channel -> when it must be looked at: the first typist's time is over, or what
--                  had to wait may be announced
--
-- Instants are milliseconds by the clock of the server.

local SOURCES, TOLD, ENDED, COUNTS, DUE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local CHANNEL, FEED = ARGV[1], ARGV[2]
local MOST, LISTED = tonumber(ARGV[3]), tonumber(ARGV[4])
local PAUSE, TOLD_FOR, ENDED_FOR = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local FIRST = 8 -- Of the arguments that each script has for itself.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function user_of(member)
  local blank = string.find(member, ' ', 1, true) or 0
  return string.sub(member, blank + 1)
end

-- In the order of bytes, as Lua's own order of texts is that of the server's locale.
local function precedes(one, other)
  for i = 1, math.min(#one, #other) do
    local ours, theirs = string.byte(one, i), string.byte(other, i)
    if ours ~= theirs then
      return ours < theirs
    end
  end
  return #one < #other
end

-- How many users type now, and their ids, or nil if only their number is told.
local function typing()
  local ids, is_known = {}, {}
  local members = redis.call('ZRANGEBYSCORE', SOURCES, string.format('(%.0f', now), '+inf')
  for _, member in ipairs(members) do
    local user_id = user_of(member)
    if not is_known[user_id] then
      is_known[user_id] = true
      ids[#ids + 1] = user_id
    end
  end
  if #ids > LISTED or redis.call('HLEN', COUNTS) > LISTED then
    return #ids, nil
  end
  table.sort(ids, precedes)
  return #ids, ids
end

local function announcement(count, ids)
  local list = ''
  if ids then
    list = count > 0 and cjson.encode(ids) or '[]'
  end
  return string.format('t1 %.0f\n', count) .. list
end

local function look_again()
  local first = redis.call('ZRANGE', SOURCES, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', DUE, first[2], CHANNEL)
  else
    redis.call('ZREM', DUE, CHANNEL)
  end
end

-- Until when nothing more is announced; nil if that is over.
local function held_until()
  local at = tonumber(redis.call('HGET', TOLD, 'at') or nil)
  return at and now < at + PAUSE and at + PAUSE or nil
end

-- Remember, until the next announcement, that the list was another since the last one.
local function note_change()
  if redis.call('EXISTS', TOLD) == 1 then
    redis.call('HSET', TOLD, 'changed', 1)
  end
end

-- Announce who types, if anything changed, now or as soon as may be.  Where nothing is known of
-- what was announced, somebody may have been told of typists if there were any.
local function settle(were_typists)
  local held = held_until()
  if held then
    redis.call('ZADD', DUE, held, CHANNEL)
    return
  end
  local told = redis.call('HMGET', TOLD, 'digest', 'changed')
  local digest, is_changed = told[1], told[2]
  redis.call('ZREMRANGEBYSCORE', SOURCES, '-inf', now)
  local count, ids = typing()
  local message = announcement(count, ids)
  local is_news = is_changed or redis.sha1hex(message) ~= digest
  is_news = is_news and (digest or were_typists or count > 0)
  if is_news then
    redis.call('PUBLISH', FEED, message)
    local fields = { 'digest', redis.sha1hex(message), 'at', string.format('%.0f', now) }
    redis.call('HSET', TOLD, unpack(fields))
    redis.call('HDEL', TOLD, 'changed')
  end
  if is_news or count > 0 then
    redis.call('PEXPIRE', TOLD, TOLD_FOR)
  end
  look_again()
end
