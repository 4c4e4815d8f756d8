-- Read how one channel is occupied.
--
-- KEYS: since, seats, infos; as seats.lua
-- Reply: since, how many seats are taken, [user id, info, ...]

return {
  redis.call('GET', KEYS[1]) or '0', redis.call('HLEN', KEYS[2]), redis.call('HGETALL', KEYS[3])
}
