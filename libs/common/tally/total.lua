-- Read what all gateways have of one subject.
--
-- KEYS: as numbers.lua, the first two
-- Reply: the total

return total()
