-- See whether a server can be used: whether a script may write.
--
-- KEYS: one of the deployment's, for this alone; it expires
-- Reply: nothing of interest

return redis.call('SET', KEYS[1], '', 'EX', 60)
