-- Public keys of an app's own issuer of channel tokens; members are those of libs.common.token_settings.AppTokenKey.

ALTER TABLE fanfare_apps
    ADD COLUMN token_keys jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(token_keys) = 'array');

COMMENT ON COLUMN fanfare_apps.token_keys IS
    'Channel tokens that they sign are good for this app: [{"kid": "…", "algorithm": "EdDSA", "public_key": "…"}].';
