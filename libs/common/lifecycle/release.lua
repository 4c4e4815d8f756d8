-- Give up a partition.
--
-- KEYS: owner, as take.lua
-- ARGV: who had it

if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'owner', '', 'until', '0')
end
return 0
