-- How scripts record what they decide; adapters put it before each of those that do.
--
--   facts     STREAM  what became so, of one app in one partition; the id of a fact is its number
--   heads     HASH    app -> "<epoch> <number of the newest fact>", of one partition
--   subjects  ZSET    subject -> number of the last fact about it that facts has no room for
--   latest    HASH    subject -> that fact, as XRANGE replies it, packed
--
-- The fields of a fact have the names of `lifecycle.facts.Fact`; `at` is in milliseconds.  Subjects
-- are those of `Fact.subject`.  All numbers in subjects are below those in facts.

local KEPT_FOR = 86400
local MOST_DROPPED = 1000 -- Subjects that one call drops.

local STATES = {
  channel_occupied = 'occupancy',
  channel_vacated = 'occupancy',
  member_added = 'membership',
  member_removed = 'membership',
  user_online = 'online',
  user_offline = 'online',
  subscription_count = 'count',
  message_read = 'mark',
  client_read = 'word',
}

-- A stream of which KEYS has the four names from `key` on, and ARGV from `word` on how many facts
-- and how many subjects are kept.
local function stream_at(key, word)
  return {
    facts = KEYS[key],
    heads = KEYS[key + 1],
    subjects = KEYS[key + 2],
    latest = KEYS[key + 3],
    most_kept = tonumber(ARGV[word]),
    most_subjects = tonumber(ARGV[word + 1]),
  }
end

local function subject_of(words)
  local fields = {}
  for i = 1, #words, 2 do
    fields[words[i]] = words[i + 1]
  end
  local state = STATES[fields.kind]
  if state then
    local channel = fields.channel or ''
    return state .. ' ' .. #channel .. ' ' .. channel .. (fields.user or '')
  end
end

-- Drop the oldest of the subjects, if there are too many.
local function drop_subjects(stream)
  local over = redis.call('ZCARD', stream.subjects) - stream.most_subjects
  if over <= 0 then
    return
  end
  local dropped = redis.call('ZPOPMIN', stream.subjects, math.min(over, MOST_DROPPED))
  local subjects = {}
  for i = 1, #dropped, 2 do
    subjects[#subjects + 1] = dropped[i]
  end
  redis.call('HDEL', stream.latest, unpack(subjects))
end

-- Take the oldest facts out of the stream; of each subject the last one of them stays in latest.
local function compact(stream, count)
  local numbers, packed = {}, {}
  for _, entry in ipairs(redis.call('XRANGE', stream.facts, '-', '+', 'COUNT', count)) do
    local subject = subject_of(entry[2])
    if subject then
      numbers[#numbers + 1] = string.match(entry[1], '^%d+')
      numbers[#numbers + 1] = subject
      packed[#packed + 1] = subject
      packed[#packed + 1] = cmsgpack.pack(entry)
    end
  end
  if #numbers > 0 then
    redis.call('ZADD', stream.subjects, unpack(numbers))
    redis.call('HSET', stream.latest, unpack(packed))
    redis.call('EXPIRE', stream.subjects, KEPT_FOR)
    redis.call('EXPIRE', stream.latest, KEPT_FOR)
    drop_subjects(stream)
  end
end

-- Keep the bound: a twentieth of it at a time, so that most calls have nothing to do but to look.
local function keep_bound(stream)
  local length = redis.call('XLEN', stream.facts)
  local share = math.max(1, math.floor(stream.most_kept / 20))
  if length >= stream.most_kept + share then
    compact(stream, share)
    redis.call('XTRIM', stream.facts, 'MAXLEN', length - share)
  end
end

local function record(stream, app, fields)
  local time = redis.call('TIME')
  local head = redis.call('HGET', stream.heads, app)
  local epoch, number = string.format('%.0f', time[1] * 1000000 + time[2]), 0
  local known, newest = string.match(head or '', '^(%d+) (%d+)$')
  if known then
    epoch, number = known, newest
  else -- What is left of another epoch is of no use, and its numbers would be mistaken.
    redis.call('DEL', stream.facts, stream.subjects, stream.latest)
  end
  number = string.format('%.0f', number + 1)
  local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', stream.heads, app, epoch .. ' ' .. number)
  redis.call('XADD', stream.facts, number .. '-0', 'at', at, unpack(fields))
  redis.call('EXPIRE', stream.facts, KEPT_FOR)
  keep_bound(stream)
end
