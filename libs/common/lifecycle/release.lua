-- Give up a partition.
--
-- KEYS: owner, as take.lua
-- ARGV: who had it

if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'owner', '', 'until', '0')
  redis.call('HINCRBY', KEYS[1], 'fence', 1) -- Who gave it up can note nothing any more.
end
return 0
