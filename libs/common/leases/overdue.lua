-- Name what is over by its own time in one partition.
--
-- KEYS: sorted sets, of texts -> when each is over
-- ARGV: the most to return of each
-- Reply: for each key, texts

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local overdue = {}
for i, key in ipairs(KEYS) do
  overdue[i] = redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, ARGV[1])
end
return overdue
