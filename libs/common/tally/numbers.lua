-- What the scripts about counts have in common; `tally.redis` puts it before each of them.
--
-- All keys are those of one subject, of its partition and of one gateway:
--   numbers   HASH  gateway -> how many it has of the subject
--   cleared   ZSET  gateway -> when it was cleared; it is refused, and counts no more
--   leases    ZSET  gateway -> when its lease lapses
--   renewed   ZSET  gateway -> when it renewed its lease
--   held      SET   the subjects that the gateway has some of, as `tally.redis` writes them
--   channels  ZSET  the app's channels with subscriptions, with score 0; given for channels alone,
--                   as are the stream's four (`lifecycle/facts.lua`, which stands before this), and
--   counted         is there for as long as the number of a large channel is not recorded again
--
-- The scripts of `leases.redis` keep cleared, leases and renewed.  Instants are milliseconds by the
-- clock of the server.

local NUMBERS, CLEARED, LEASES, RENEWED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local HELD, CHANNELS, COUNTED = KEYS[5], KEYS[6], KEYS[11]
local GATEWAY, SUBJECT, NAME, FEED = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local APP, WANTED = ARGV[5], ARGV[6]
local STREAM = stream_at(7, 7)
local FIRST = 9 -- Of the arguments that each script has for itself.
-- Pusher, "Subscription counting": a small channel's number is told at each change, a large one's
-- now and then.  As `channels.subscription_counts` of the gateway has them.
local LARGE, PAUSE = 100, 5000

-- The gateways that are counted and what they have, as two lists.
local function counted()
  local fields = redis.call('HGETALL', NUMBERS)
  local names = {}
  for i = 1, #fields, 2 do
    names[#names + 1] = fields[i]
  end
  if #names == 0 then
    return {}, {}
  end
  local cleared = redis.call('ZMSCORE', CLEARED, unpack(names))
  local living, numbers = {}, {}
  for i, name in ipairs(names) do
    if not cleared[i] then
      living[#living + 1] = name
      numbers[#numbers + 1] = tonumber(fields[2 * i]) or 0
    end
  end
  return living, numbers
end

local function total()
  local _, numbers = counted()
  local sum = 0
  for _, number in ipairs(numbers) do
    sum = sum + number
  end
  return sum
end

-- Whether any gateway has some; one that was cleared has until that is taken off, so that of
-- several of them only the last one vacates a channel.
local function is_occupied()
  return redis.call('EXISTS', NUMBERS) == 1
end

local function let_go()
  redis.call('HDEL', NUMBERS, GATEWAY)
  redis.call('SREM', HELD, SUBJECT)
  if CHANNELS and not is_occupied() then
    redis.call('ZREM', CHANNELS, NAME)
  end
end

local function announce(sum)
  redis.call('PUBLISH', FEED, string.format('c1 %.0f\n', sum))
  if not string.find(WANTED, 'c', 1, true) or string.sub(NAME, 1, 9) == 'presence-' then
    return
  end
  if sum <= LARGE or redis.call('SET', COUNTED, '', 'PX', PAUSE, 'NX') then
    record(STREAM, APP,
      { 'kind', 'subscription_count', 'channel', NAME, 'count', string.format('%.0f', sum) })
  end
end

-- Record that a channel was occupied or vacated, if it was and somebody wants to know.
local function note(was_occupied)
  local occupied = is_occupied()
  if not CHANNELS or string.sub(NAME, 1, 1) == '#' or was_occupied == occupied then
    return
  end
  if string.find(WANTED, occupied and 'o' or 'v', 1, true) then
    local kind = occupied and 'channel_occupied' or 'channel_vacated'
    record(STREAM, APP, { 'kind', kind, 'channel', NAME })
  end
end
