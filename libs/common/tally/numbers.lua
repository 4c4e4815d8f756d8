-- What the scripts about counts have in common; `tally.redis` puts it before each of them.
--
-- All keys are those of one subject, of its partition and of one gateway:
--   numbers   HASH  gateway -> how many it has of the subject
--   cleared   ZSET  gateway -> when it was cleared; it is refused, and counts no more
--   leases    ZSET  gateway -> when its lease lapses
--   renewed   ZSET  gateway -> when it renewed its lease
--   held      SET   the subjects that the gateway has some of, as `tally.redis` writes them
--   channels  ZSET  the app's channels with subscriptions, with score 0; given for channels alone,
--                   as are facts and heads (`lifecycle/facts.lua`, which stands before this)
--
-- The scripts of `leases.redis` keep cleared, leases and renewed.  Instants are milliseconds by the
-- clock of the server.

local NUMBERS, CLEARED, LEASES, RENEWED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local HELD, CHANNELS, FACTS, HEADS = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local GATEWAY, SUBJECT, NAME, FEED = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local APP, WANTED = ARGV[5], ARGV[6]
local FIRST = 7 -- Of the arguments that each script has for itself.

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
      numbers[#numbers + 1] = tonumber(fields[2 * i])
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

local function let_go()
  redis.call('HDEL', NUMBERS, GATEWAY)
  redis.call('SREM', HELD, SUBJECT)
  if CHANNELS and redis.call('EXISTS', NUMBERS) == 0 then
    redis.call('ZREM', CHANNELS, NAME)
  end
end

local function announce(sum)
  redis.call('PUBLISH', FEED, string.format('c1 %.0f\n', sum))
end

-- Record that a channel was occupied or vacated, if it was and somebody wants to know.
local function note(before, after)
  if not CHANNELS or string.sub(NAME, 1, 1) == '#' or (before > 0) == (after > 0) then
    return
  end
  local letter = after > 0 and 'o' or 'v'
  if string.find(WANTED, letter, 1, true) then
    local kind = after > 0 and 'channel_occupied' or 'channel_vacated'
    record(FACTS, HEADS, APP, { 'kind', kind, 'channel', NAME })
  end
end
