-- Note what a sink is done with.
--
-- KEYS: owner, places
-- ARGV: the fence, the sink, the epoch, the number
-- Reply: 1, or 0 if somebody else has the partition

if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
return 1
