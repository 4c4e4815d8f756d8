-- What the scripts about seats have in common; `roster.redis` puts it before each of them.
--
-- All keys are those of one channel, of its partition and of one gateway:
--   seats    HASH  socket id -> "<gateway> <user id>": who sits in the channel
--   counts   HASH  user id -> how many seats it has
--   infos    HASH  user id -> user_info, as the user's first connection gave it
--   version  how many transitions there were, and a beginning; outlives the last member by an hour
--   leaving  ZSET  seat -> when its grace is over
--   held     SET   the seats of the gateway
--   cleared  ZSET  gateway -> when it was cleared; it is refused
--   leases   ZSET  gateway -> when its lease lapses
--   since    when the channel got its first member, in milliseconds; it has one
--   facts, heads, subjects, latest    see `lifecycle/facts.lua`, which stands before this
--   online   ZSET  the app's users who are online, with score 0
--
-- The channel may be a user's own, in which the user's connections sit while the user is online:
-- its members are devices, and `owner` is the user.  `wanted` has the letter of each kind of fact
-- that somebody wants (`lifecycle.redis.LETTERS`).
--
-- A seat stands in leaving and held as "<gateway> <socket id> <app>/<name of the channel>".
-- Instants are milliseconds by the clock of the server.

local SEATS, COUNTS, INFOS, VERSION = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LEAVING, HELD, CLEARED, LEASES = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local SINCE, ONLINE = KEYS[9], KEYS[14]
local CHANNEL, FEED, GATEWAY = ARGV[1], ARGV[2], ARGV[3]
local APP, NAME, OWNER, WANTED = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local STREAM = stream_at(10, 8)
local FIRST = 10 -- Of the arguments that each script has for itself.
local EMPTY_FOR = 3600

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function seat_of(gateway, socket_id)
  return gateway .. ' ' .. socket_id .. ' ' .. CHANNEL
end

local function occupant_of(socket_id)
  local occupant = redis.call('HGET', SEATS, socket_id)
  if not occupant then
    return nil, nil
  end
  return string.match(occupant, '^(%S*) (.*)$')
end

-- A channel without a version begins at the present instant in microseconds: above any version that
-- it had before it was forgotten or lost, as no channel has a million transitions a second.
local function beginning()
  return string.format('%.0f', time[1] * 1000000 + time[2])
end

-- The same where it has one that is none.
local function begin()
  local version = redis.call('GET', VERSION)
  if not version or not string.match(version, '^%d+$') or #version > 17 then
    redis.call('SET', VERSION, beginning())
  end
end

-- Count a user's seats; what was no number counted none.
local function count(user_id, more)
  local reply = redis.pcall('HINCRBY', COUNTS, user_id, more)
  if type(reply) == 'number' then
    return reply
  end
  local seats = math.max(more, 0)
  redis.call('HSET', COUNTS, user_id, seats)
  return seats
end

local function announce(sign, user_id, info)
  begin()
  local version = string.format('%.0f', redis.call('INCR', VERSION))
  local header = 'm1 ' .. version .. ' ' .. sign .. ' ' .. #user_id
  redis.call('PUBLISH', FEED, header .. '\n' .. user_id .. info)
end

local function note(letter, kind, channel, user)
  if string.find(WANTED, letter, 1, true) then
    record(STREAM, APP, { 'kind', kind, 'channel', channel, 'user', user })
  end
end

local function came(user_id)
  if redis.call('HLEN', COUNTS) == 1 then
    redis.call('SET', SINCE, string.format('%.0f', now))
    if OWNER ~= '' then
      redis.call('ZADD', ONLINE, 0, OWNER)
      note('n', 'user_online', '', OWNER)
    end
  end
  if OWNER == '' then
    note('a', 'member_added', NAME, user_id)
  end
end

local function went(user_id)
  if OWNER == '' then
    note('r', 'member_removed', NAME, user_id)
  end
  if redis.call('EXISTS', COUNTS) == 0 then
    redis.call('DEL', SINCE)
    redis.call('EXPIRE', VERSION, EMPTY_FOR)
    if OWNER ~= '' then
      redis.call('ZREM', ONLINE, OWNER)
      note('f', 'user_offline', '', OWNER)
    end
  end
end

-- The seat of another gateway stays in that one's set, which is no key of this call, until it is
-- cleared.
local function let_go(gateway, socket_id)
  local seat = seat_of(gateway, socket_id)
  redis.call('ZREM', LEAVING, seat)
  redis.call('SREM', HELD, seat)
end

local function rise(gateway, socket_id, user_id)
  let_go(gateway, socket_id)
  redis.call('HDEL', SEATS, socket_id)
  if count(user_id, -1) > 0 then
    return
  end
  redis.call('HDEL', COUNTS, user_id)
  redis.call('HDEL', INFOS, user_id)
  announce('-', user_id, '')
  went(user_id)
end

local function members()
  return { redis.call('GET', VERSION) or beginning(), redis.call('HGETALL', INFOS) }
end
