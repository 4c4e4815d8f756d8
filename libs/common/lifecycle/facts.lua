-- How scripts record what they decide; adapters put it before each of those that do.
--
--   facts  STREAM  what became so, of one app in one partition; the id of a fact is its number
--   heads  HASH    app -> "<epoch> <number of the newest fact>", of one partition
--
-- The fields of a fact have the names of `lifecycle.facts.Fact`; `at` is in milliseconds.

local MOST_KEPT, KEPT_FOR = 2000, 86400

local function record(facts, heads, app, fields)
  local time = redis.call('TIME')
  local head = redis.call('HGET', heads, app)
  local epoch, number = string.format('%.0f', time[1] * 1000000 + time[2]), 0
  if head then
    epoch, number = string.match(head, '^(%d+) (%d+)$')
  end
  number = string.format('%.0f', number + 1)
  local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', heads, app, epoch .. ' ' .. number)
  redis.call('XADD', facts, 'MAXLEN', '~', MOST_KEPT, number .. '-0', 'at', at, unpack(fields))
  redis.call('EXPIRE', facts, KEPT_FOR)
end
