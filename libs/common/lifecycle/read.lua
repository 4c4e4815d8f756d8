-- Read what follows the place of a sink.
--
-- KEYS: facts, heads, places, a HASH: sink -> "<epoch> <number>"
-- ARGV: the app, the sink, the most facts
-- Reply: the epoch, the number that the sink has had, or -1 if it is new here, and the facts

local head = redis.call('HGET', KEYS[2], ARGV[1])
if not head then
  return { '', -1, {} }
end
local epoch = string.match(head, '^%d+')
local place = redis.call('HGET', KEYS[3], ARGV[2])
local known, number
if place then
  known, number = string.match(place, '^(%d+) (%d+)$')
end
local had = known == epoch and number or '-1'
local after = had == '-1' and '-' or '(' .. had .. '-0'
return { epoch, had, redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', ARGV[3]) }
