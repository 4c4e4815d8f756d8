-- Read what all gateways have of one subject.
--
-- KEYS: as tally.lua, the first two
-- Reply: the total

return total()
