#!lua flags=no-writes
-- Read what a cache channel keeps, and for how long yet.
--
-- KEYS  1  cache: see publish.lua
-- Returns {its value, or nothing; ms until it is forgotten}.

return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
