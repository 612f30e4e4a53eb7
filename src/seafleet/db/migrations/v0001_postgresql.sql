CREATE TABLE account (
    id BIGSERIAL NOT NULL,
    email VARCHAR(255) NOT NULL,
    password_hash VARCHAR(255),
    source VARCHAR(20) DEFAULT 'db' NOT NULL,
    is_staff BOOLEAN DEFAULT false NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    role VARCHAR(100) DEFAULT 'default' NOT NULL,
    created_at_us BIGINT NOT NULL,
    last_login_at BIGINT,
    quota_bytes BIGINT,
    name VARCHAR(255) DEFAULT '' NOT NULL,
    contact_email VARCHAR(255),
    login_id VARCHAR(225),
    department VARCHAR(512) DEFAULT '' NOT NULL,
    telephone VARCHAR(100) DEFAULT '' NOT NULL,
    institution VARCHAR(255) DEFAULT '' NOT NULL,
    note VARCHAR(256) DEFAULT '' NOT NULL,
    reference_id VARCHAR(255),
    organization_id BIGINT DEFAULT '1' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (email),
    UNIQUE (login_id),
    UNIQUE (reference_id)
);

CREATE INDEX ix_account_contact_email ON account (contact_email);

CREATE TABLE activity (
    id BIGSERIAL NOT NULL,
    op_type VARCHAR(20) NOT NULL,
    obj_type VARCHAR(10) NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    commit_id VARCHAR(40),
    path TEXT NOT NULL,
    op_user VARCHAR(255) NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX activity_library ON activity (library_id, at);

CREATE INDEX ix_activity_at ON activity (at);

CREATE TABLE api_rate (
    key VARCHAR(255) NOT NULL,
    hits_ms TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (key)
);

CREATE INDEX ix_api_rate_updated_at ON api_rate (updated_at);

CREATE TABLE audit_event (
    id BIGSERIAL NOT NULL,
    at BIGINT NOT NULL,
    tag VARCHAR(64) NOT NULL,
    actor VARCHAR(255) NOT NULL,
    ip VARCHAR(128) DEFAULT '' NOT NULL,
    device VARCHAR(255) DEFAULT '' NOT NULL,
    library_id VARCHAR(36),
    path TEXT DEFAULT '' NOT NULL,
    detail TEXT DEFAULT '{}' NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX audit_event_actor ON audit_event (actor, id);

CREATE INDEX audit_event_library ON audit_event (library_id, id);

CREATE INDEX ix_audit_event_at ON audit_event (at);

CREATE TABLE change_feed (
    id BIGSERIAL NOT NULL,
    kind VARCHAR(30) NOT NULL,
    library_id VARCHAR(36),
    payload TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_change_feed_at ON change_feed (at);

CREATE TABLE commit_index (
    library_id VARCHAR(36) NOT NULL,
    commit_id VARCHAR(40) NOT NULL,
    parent_id VARCHAR(40),
    second_parent_id VARCHAR(40),
    root_id VARCHAR(40) NOT NULL,
    creator_name TEXT DEFAULT '' NOT NULL,
    description TEXT NOT NULL,
    ctime BIGINT NOT NULL,
    device_name TEXT,
    client_version TEXT,
    new_merge BOOLEAN DEFAULT false NOT NULL,
    conflict BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (library_id, commit_id)
);

CREATE INDEX commit_index_time ON commit_index (library_id, ctime);

CREATE TABLE condemned_blob (
    store_id VARCHAR(36) NOT NULL,
    object_id VARCHAR(40) NOT NULL,
    touched_before BIGINT NOT NULL,
    PRIMARY KEY (store_id, object_id)
);

CREATE TABLE device_error (
    id BIGSERIAL NOT NULL,
    account_email VARCHAR(255) NOT NULL,
    device_name VARCHAR(255) DEFAULT '' NOT NULL,
    device_ip VARCHAR(128) DEFAULT '' NOT NULL,
    client_version VARCHAR(255) DEFAULT '' NOT NULL,
    peer_id VARCHAR(40) DEFAULT '' NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    library_name VARCHAR(255) DEFAULT '' NOT NULL,
    message VARCHAR(255) NOT NULL,
    count INTEGER DEFAULT '1' NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (account_email, peer_id, library_id, message)
);

CREATE INDEX ix_device_error_at ON device_error (at);

CREATE TABLE device_event (
    id BIGSERIAL NOT NULL,
    at BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    device_id BIGINT,
    device_uid VARCHAR(36) DEFAULT '' NOT NULL,
    device_name VARCHAR(100) DEFAULT '' NOT NULL,
    account_email VARCHAR(255),
    actor_kind VARCHAR(20) NOT NULL,
    actor_name VARCHAR(255) NOT NULL,
    dialect VARCHAR(20) NOT NULL,
    action VARCHAR(40) NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    address VARCHAR(128) DEFAULT '' NOT NULL,
    request_id VARCHAR(64) DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX device_event_account ON device_event (account_email, id);

CREATE INDEX device_event_action ON device_event (action, id);

CREATE INDEX device_event_actor ON device_event (actor_name, id);

CREATE INDEX device_event_device ON device_event (device_id, id);

CREATE INDEX device_event_dialect ON device_event (dialect, id);

CREATE INDEX ix_device_event_at ON device_event (at);

CREATE TABLE garbage_library (
    library_id VARCHAR(36) NOT NULL,
    store_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (library_id)
);

CREATE TABLE login_log (
    id BIGSERIAL NOT NULL,
    account_id BIGINT,
    username VARCHAR(255) NOT NULL,
    at BIGINT NOT NULL,
    ip VARCHAR(128) NOT NULL,
    success BOOLEAN NOT NULL,
    via VARCHAR(20) NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_login_log_at ON login_log (at);

CREATE INDEX login_log_account ON login_log (account_id, at);

CREATE INDEX login_log_username ON login_log (username, at);

CREATE TABLE object (
    store_id VARCHAR(36) NOT NULL,
    kind INTEGER NOT NULL,
    object_id VARCHAR(40) NOT NULL,
    touched_at BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (store_id, kind, object_id)
);

CREATE TABLE organization (
    id BIGSERIAL NOT NULL,
    name VARCHAR(255) NOT NULL,
    runtime VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    running BOOLEAN DEFAULT true NOT NULL,
    device_token_hash VARCHAR(64),
    posture_policy TEXT,
    PRIMARY KEY (id),
    UNIQUE (runtime),
    UNIQUE (device_token_hash)
);

CREATE TABLE schema_version (
    version SERIAL NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE setting (
    key VARCHAR(64) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE throttle_window (
    key VARCHAR(120) NOT NULL,
    "window" BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    PRIMARY KEY (key, "window")
);

CREATE TABLE transfer_task (
    id VARCHAR(36) NOT NULL,
    kind VARCHAR(10) NOT NULL,
    account_id BIGINT,
    state VARCHAR(12) NOT NULL,
    done BIGINT DEFAULT '0' NOT NULL,
    total BIGINT DEFAULT '0' NOT NULL,
    failed_reason TEXT DEFAULT '' NOT NULL,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    arguments TEXT NOT NULL,
    worker VARCHAR(64) DEFAULT '' NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_transfer_task_updated_at ON transfer_task (updated_at);

CREATE TABLE account_option (
    account_id BIGINT NOT NULL,
    key VARCHAR(50) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account_id, key),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE client_login_token (
    token_hash VARCHAR(64) NOT NULL,
    account_id BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE device (
    id BIGSERIAL NOT NULL,
    uid VARCHAR(36) COLLATE "C" NOT NULL,
    identifier VARCHAR(128) NOT NULL,
    organization_id BIGINT DEFAULT '1' NOT NULL,
    kind VARCHAR(20) DEFAULT 'managed' NOT NULL,
    ignored BOOLEAN DEFAULT false NOT NULL,
    hwid VARCHAR(128) NOT NULL,
    hwid_key VARCHAR(128),
    hwid_source VARCHAR(10) DEFAULT 'server' NOT NULL,
    display_name VARCHAR(100) DEFAULT '' NOT NULL,
    name_key VARCHAR(300) COLLATE "C" DEFAULT '' NOT NULL,
    host_name VARCHAR(100) DEFAULT '' NOT NULL,
    owner VARCHAR(255),
    description TEXT,
    platform VARCHAR(20) COLLATE "C" DEFAULT 'other' NOT NULL,
    machine_type VARCHAR(20) DEFAULT 'other' NOT NULL,
    os_family VARCHAR(50) DEFAULT '' NOT NULL,
    os_name VARCHAR(100) DEFAULT '' NOT NULL,
    os_version VARCHAR(50) DEFAULT '' NOT NULL,
    architecture VARCHAR(50) DEFAULT '' NOT NULL,
    model VARCHAR(100) DEFAULT '' NOT NULL,
    model_key VARCHAR(300) COLLATE "C" DEFAULT '' NOT NULL,
    is_domain_controller BOOLEAN DEFAULT false NOT NULL,
    approval VARCHAR(20) DEFAULT 'approved' NOT NULL,
    admin_state VARCHAR(20) DEFAULT 'ACTIVE' NOT NULL,
    expired BOOLEAN DEFAULT false NOT NULL,
    status VARCHAR(10) COLLATE "C" DEFAULT 'ACTIVE' NOT NULL,
    exempted_at BIGINT,
    exempt_until BIGINT,
    exempted_by VARCHAR(255) DEFAULT '' NOT NULL,
    exempt_reason VARCHAR(255) DEFAULT '' NOT NULL,
    linked_user VARCHAR(255) DEFAULT '' NOT NULL,
    linked_user_group VARCHAR(255) DEFAULT '' NOT NULL,
    wipe VARCHAR(12) DEFAULT 'none' NOT NULL,
    wipe_source VARCHAR(20) DEFAULT '' NOT NULL,
    wipe_requested_at BIGINT,
    wipe_requested_by VARCHAR(255) DEFAULT '' NOT NULL,
    wipe_delivered_at BIGINT,
    wipe_done_at BIGINT,
    posture VARCHAR(20) DEFAULT 'unreported' NOT NULL,
    posture_issue VARCHAR(255) DEFAULT '' NOT NULL,
    posture_issues TEXT DEFAULT '[]' NOT NULL,
    posture_facts TEXT DEFAULT '{}' NOT NULL,
    posture_evaluated_at BIGINT,
    agent_type VARCHAR(20),
    agent_version VARCHAR(50) DEFAULT '' NOT NULL,
    agent_token_hash VARCHAR(64),
    agent_generation INTEGER DEFAULT '0' NOT NULL,
    agent_reported_at BIGINT,
    reported_users TEXT DEFAULT '[]' NOT NULL,
    last_seen BIGINT DEFAULT '0' NOT NULL,
    last_ip VARCHAR(128) DEFAULT '' NOT NULL,
    blocked_contact_at BIGINT,
    created_at BIGINT NOT NULL,
    enrolled_at BIGINT DEFAULT '0' NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT,
    merged_into BIGINT,
    row_version BIGINT DEFAULT '1' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (organization_id, identifier),
    UNIQUE (organization_id, hwid_key),
    UNIQUE (uid),
    FOREIGN KEY(organization_id) REFERENCES organization (id),
    UNIQUE (agent_token_hash),
    FOREIGN KEY(merged_into) REFERENCES device (id)
);

CREATE INDEX device_by_enrolment ON device (organization_id, enrolled_at, id) WHERE removed_at IS NULL;

CREATE INDEX device_by_id ON device (organization_id, id) WHERE removed_at IS NULL;

CREATE INDEX device_by_last_seen ON device (organization_id, last_seen, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_model_key ON device (organization_id, model_key, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_model_key_down ON device (organization_id, model_key DESC, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_name ON device (organization_id, name_key, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_platform ON device (organization_id, platform, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_platform_down ON device (organization_id, platform DESC, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_status ON device (organization_id, status, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_status_down ON device (organization_id, status DESC, uid) WHERE removed_at IS NULL;

CREATE INDEX device_by_uid ON device (organization_id, uid) WHERE removed_at IS NULL;

CREATE INDEX device_live ON device (organization_id, kind, id) WHERE removed_at IS NULL;

CREATE INDEX device_merged ON device (merged_into);

CREATE INDEX device_non_compliant ON device (organization_id, kind) WHERE removed_at IS NULL AND posture = 'non_compliant';

CREATE INDEX device_removed ON device (removed_at) WHERE removed_at IS NOT NULL;

CREATE TABLE device_group (
    id BIGSERIAL NOT NULL,
    organization_id BIGINT NOT NULL,
    name VARCHAR(100) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (organization_id, name),
    FOREIGN KEY(organization_id) REFERENCES organization (id) ON DELETE CASCADE
);

CREATE TABLE group_ (
    id BIGSERIAL NOT NULL,
    name VARCHAR(255) NOT NULL,
    creator_email VARCHAR(255) NOT NULL,
    owner_id BIGINT,
    created_at_us BIGINT NOT NULL,
    parent_group_id BIGINT DEFAULT '0' NOT NULL,
    organization_id BIGINT DEFAULT '1' NOT NULL,
    quota_bytes BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(owner_id) REFERENCES account (id) ON DELETE SET NULL
);

CREATE INDEX group_name ON group_ (name);

CREATE INDEX group_parent ON group_ (parent_group_id);

CREATE TABLE library (
    id VARCHAR(36) NOT NULL,
    store_id VARCHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    owner_id BIGINT NOT NULL,
    organization_id BIGINT DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_modifier VARCHAR(255) DEFAULT '' NOT NULL,
    head_commit_id VARCHAR(40) NOT NULL,
    root_id VARCHAR(40) NOT NULL,
    size_bytes BIGINT DEFAULT '0' NOT NULL,
    file_count BIGINT DEFAULT '0' NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    status INTEGER DEFAULT '0' NOT NULL,
    is_damaged BOOLEAN DEFAULT false NOT NULL,
    generation VARCHAR(36) DEFAULT '' NOT NULL,
    encrypted BOOLEAN DEFAULT false NOT NULL,
    enc_version INTEGER DEFAULT '0' NOT NULL,
    magic VARCHAR(64) DEFAULT '' NOT NULL,
    random_key VARCHAR(96) DEFAULT '' NOT NULL,
    salt VARCHAR(64) DEFAULT '' NOT NULL,
    pwd_hash VARCHAR(64) DEFAULT '' NOT NULL,
    pwd_hash_algo VARCHAR(50) DEFAULT '' NOT NULL,
    pwd_hash_params VARCHAR(100) DEFAULT '' NOT NULL,
    history_limit_days INTEGER,
    valid_since BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(owner_id) REFERENCES account (id)
);

CREATE INDEX ix_library_owner_id ON library (owner_id);

CREATE INDEX ix_library_store_id ON library (store_id);

CREATE INDEX ix_library_updated_at ON library (updated_at);

CREATE TABLE library_trash (
    library_id VARCHAR(36) NOT NULL,
    store_id VARCHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL,
    owner_id BIGINT,
    owner_email VARCHAR(255) NOT NULL,
    organization_id BIGINT DEFAULT '1' NOT NULL,
    head_commit_id VARCHAR(40) NOT NULL,
    size_bytes BIGINT NOT NULL,
    encrypted BOOLEAN NOT NULL,
    deleted_at BIGINT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (library_id),
    FOREIGN KEY(owner_id) REFERENCES account (id) ON DELETE SET NULL
);

CREATE INDEX ix_library_trash_deleted_at ON library_trash (deleted_at);

CREATE INDEX ix_library_trash_owner_id ON library_trash (owner_id);

CREATE TABLE mfp_transaction (
    id BIGSERIAL NOT NULL,
    organization_id BIGINT NOT NULL,
    type VARCHAR(40) NOT NULL,
    status VARCHAR(12) NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    errors TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(organization_id) REFERENCES organization (id) ON DELETE CASCADE
);

CREATE INDEX mfp_transaction_organization ON mfp_transaction (organization_id, created_at_ms, id);

CREATE TABLE oauth_client (
    id BIGSERIAL NOT NULL,
    client_id VARCHAR(64) NOT NULL,
    secret_hash VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    redirect_uris TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (client_id),
    FOREIGN KEY(organization_id) REFERENCES organization (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE role_grant (
    id BIGSERIAL NOT NULL,
    account_id BIGINT NOT NULL,
    role VARCHAR(20) NOT NULL,
    runtime VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (account_id, role, runtime),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE web_session (
    token_hash VARCHAR(64) NOT NULL,
    account_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ip VARCHAR(128) DEFAULT '' NOT NULL,
    user_agent VARCHAR(255) DEFAULT '' NOT NULL,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX ix_web_session_expires_at ON web_session (expires_at);

CREATE INDEX web_session_account ON web_session (account_id);

CREATE TABLE access_token (
    token_hash VARCHAR(64) NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    operation VARCHAR(30) NOT NULL,
    object TEXT NOT NULL,
    account_id BIGINT,
    account_email VARCHAR(255) NOT NULL,
    device_link_id BIGINT,
    api_token_id BIGINT,
    share_link_token VARCHAR(100),
    upload_link_token VARCHAR(100),
    one_time BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX ix_access_token_account_id ON access_token (account_id);

CREATE INDEX ix_access_token_expires_at ON access_token (expires_at);

CREATE TABLE device_alias (
    id BIGSERIAL NOT NULL,
    device_id BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    platform VARCHAR(32) DEFAULT '' NOT NULL,
    value VARCHAR(128) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (device_id, kind, platform, value),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE
);

CREATE INDEX device_alias_value ON device_alias (value);

CREATE TABLE device_app (
    device_id BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    platform VARCHAR(20) DEFAULT '' NOT NULL,
    version VARCHAR(50) DEFAULT '' NOT NULL,
    status VARCHAR(10) DEFAULT 'ENABLED' NOT NULL,
    PRIMARY KEY (device_id, name),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE
);

CREATE TABLE device_attribute (
    device_id BIGINT NOT NULL,
    key VARCHAR(100) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (device_id, key),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE
);

CREATE TABLE device_command (
    id BIGSERIAL NOT NULL,
    device_id BIGINT NOT NULL,
    type VARCHAR(30) NOT NULL,
    params TEXT NOT NULL,
    state VARCHAR(12) NOT NULL,
    generation INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(255) DEFAULT '' NOT NULL,
    delivered_at BIGINT,
    finished_at BIGINT,
    detail TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE
);

CREATE INDEX device_command_device ON device_command (device_id, state, id);

CREATE INDEX device_command_open ON device_command (state, created_at);

CREATE TABLE device_group_member (
    device_id BIGINT NOT NULL,
    group_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (device_id, group_id),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE,
    FOREIGN KEY(group_id) REFERENCES device_group (id) ON DELETE CASCADE
);

CREATE INDEX device_group_member_group ON device_group_member (group_id, device_id);

CREATE TABLE device_link (
    id BIGSERIAL NOT NULL,
    device_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    platform VARCHAR(32) NOT NULL,
    client_device_id VARCHAR(40) NOT NULL,
    device_name VARCHAR(255) NOT NULL,
    platform_version VARCHAR(255) DEFAULT '' NOT NULL,
    client_version VARCHAR(255) DEFAULT '' NOT NULL,
    app_name VARCHAR(64) DEFAULT '' NOT NULL,
    app_status VARCHAR(20) DEFAULT 'ENABLED' NOT NULL,
    last_accessed BIGINT NOT NULL,
    last_login_ip VARCHAR(128) DEFAULT '' NOT NULL,
    created_at BIGINT NOT NULL,
    wiped_at BIGINT,
    wipe_source VARCHAR(20),
    wipe_delivered_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (account_id, platform, client_device_id),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX device_link_client ON device_link (platform, client_device_id);

CREATE INDEX device_link_recent ON device_link (last_accessed, account_id, platform, client_device_id, wiped_at);

CREATE INDEX device_link_seen ON device_link (platform, last_accessed);

CREATE INDEX ix_device_link_device_id ON device_link (device_id);

CREATE TABLE device_mac (
    device_id BIGINT NOT NULL,
    mac VARCHAR(12) NOT NULL,
    interface VARCHAR(100) DEFAULT '' NOT NULL,
    ipv4 VARCHAR(45) DEFAULT '' NOT NULL,
    ipv6 VARCHAR(45) DEFAULT '' NOT NULL,
    dhcp BOOLEAN,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (device_id, mac),
    FOREIGN KEY(device_id) REFERENCES device (id) ON DELETE CASCADE
);

CREATE INDEX device_mac_mac ON device_mac (mac);

CREATE TABLE enrolment_code (
    id BIGSERIAL NOT NULL,
    code_hash VARCHAR(64) NOT NULL,
    organization_id BIGINT NOT NULL,
    max_uses INTEGER NOT NULL,
    uses INTEGER DEFAULT '0' NOT NULL,
    expires_at BIGINT,
    group_id BIGINT,
    auto_approve BOOLEAN DEFAULT false NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(255) DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (code_hash),
    FOREIGN KEY(organization_id) REFERENCES organization (id) ON DELETE CASCADE,
    FOREIGN KEY(group_id) REFERENCES device_group (id) ON DELETE SET NULL
);

CREATE TABLE file_identity (
    uuid VARCHAR(36) NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    PRIMARY KEY (uuid),
    UNIQUE (library_id, path_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE TABLE file_lock (
    id BIGSERIAL NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    account_id BIGINT NOT NULL,
    locked_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (library_id, path_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE folder_group_permission (
    id BIGSERIAL NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    group_id BIGINT NOT NULL,
    permission VARCHAR(20) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (library_id, path_hash, group_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(group_id) REFERENCES group_ (id) ON DELETE CASCADE
);

CREATE TABLE folder_user_permission (
    id BIGSERIAL NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    account_id BIGINT NOT NULL,
    permission VARCHAR(20) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (library_id, path_hash, account_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE group_member (
    id BIGSERIAL NOT NULL,
    group_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    is_admin BOOLEAN DEFAULT false NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (group_id, account_id),
    FOREIGN KEY(group_id) REFERENCES group_ (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX group_member_account ON group_member (account_id);

CREATE TABLE group_share (
    library_id VARCHAR(36) NOT NULL,
    group_id BIGINT NOT NULL,
    from_account_id BIGINT NOT NULL,
    permission VARCHAR(20) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (library_id, group_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(group_id) REFERENCES group_ (id) ON DELETE CASCADE,
    FOREIGN KEY(from_account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX group_share_from ON group_share (from_account_id);

CREATE INDEX group_share_group ON group_share (group_id);

CREATE TABLE library_stamp (
    library_id VARCHAR(36) NOT NULL,
    lock_stamp BIGINT DEFAULT '0' NOT NULL,
    permission_stamp BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (library_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE TABLE library_unlock (
    library_id VARCHAR(36) NOT NULL,
    account_id BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (library_id, account_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX ix_library_unlock_expires_at ON library_unlock (expires_at);

CREATE TABLE oauth_consent (
    client_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, account_id),
    FOREIGN KEY(client_id) REFERENCES oauth_client (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE oauth_grant (
    id BIGSERIAL NOT NULL,
    client_id BIGINT NOT NULL,
    account_id BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(client_id) REFERENCES oauth_client (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX oauth_grant_account ON oauth_grant (account_id);

CREATE INDEX oauth_grant_client ON oauth_grant (client_id);

CREATE TABLE public_share (
    library_id VARCHAR(36) NOT NULL,
    organization_id BIGINT DEFAULT '1' NOT NULL,
    permission VARCHAR(20) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (library_id, organization_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX public_share_organization ON public_share (organization_id);

CREATE TABLE share_link (
    token VARCHAR(100) NOT NULL,
    account_id BIGINT NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    is_dir BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    view_count BIGINT DEFAULT '0' NOT NULL,
    password_hash VARCHAR(255),
    expires_at BIGINT,
    permission VARCHAR(50) DEFAULT 'view_download' NOT NULL,
    PRIMARY KEY (token),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX share_link_account ON share_link (account_id);

CREATE INDEX share_link_path ON share_link (library_id, path_hash);

CREATE TABLE snapshot_label (
    id BIGSERIAL NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    commit_id VARCHAR(40) NOT NULL,
    name VARCHAR(255) NOT NULL,
    account_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (library_id, commit_id, name),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE TABLE starred_item (
    id BIGSERIAL NOT NULL,
    account_id BIGINT NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    is_dir BOOLEAN NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (account_id, library_id, path_hash),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX starred_item_library ON starred_item (library_id);

CREATE TABLE sub_library (
    library_id VARCHAR(36) NOT NULL,
    origin_library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    base_commit_id VARCHAR(40) NOT NULL,
    PRIMARY KEY (library_id),
    UNIQUE (origin_library_id, path_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(origin_library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE TABLE sub_library_pending (
    library_id VARCHAR(36) NOT NULL,
    queued_at BIGINT NOT NULL,
    PRIMARY KEY (library_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE TABLE upload_link (
    token VARCHAR(100) NOT NULL,
    account_id BIGINT NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    path TEXT NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    view_count BIGINT DEFAULT '0' NOT NULL,
    password_hash VARCHAR(255),
    expires_at BIGINT,
    PRIMARY KEY (token),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX upload_link_account ON upload_link (account_id);

CREATE INDEX upload_link_path ON upload_link (library_id, path_hash);

CREATE TABLE upload_temp (
    library_id VARCHAR(36) NOT NULL,
    path_hash VARCHAR(64) NOT NULL,
    path TEXT NOT NULL,
    temp_name VARCHAR(64) NOT NULL,
    total_bytes BIGINT NOT NULL,
    received_bytes BIGINT NOT NULL,
    account_email VARCHAR(255) NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (library_id, path_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE
);

CREATE INDEX ix_upload_temp_updated_at ON upload_temp (updated_at);

CREATE TABLE user_share (
    id BIGSERIAL NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    from_account_id BIGINT NOT NULL,
    to_account_id BIGINT NOT NULL,
    permission VARCHAR(20) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (library_id, from_account_id, to_account_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(from_account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(to_account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX user_share_from ON user_share (from_account_id);

CREATE INDEX user_share_to ON user_share (to_account_id);

CREATE TABLE api_token (
    id BIGSERIAL NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    sealed BYTEA NOT NULL,
    account_id BIGINT NOT NULL,
    device_link_id BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (token_hash),
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    UNIQUE (device_link_id),
    FOREIGN KEY(device_link_id) REFERENCES device_link (id) ON DELETE CASCADE
);

CREATE INDEX api_token_account ON api_token (account_id);

CREATE UNIQUE INDEX api_token_plain ON api_token (account_id) WHERE device_link_id IS NULL;

CREATE TABLE oauth_code (
    code_hash VARCHAR(64) NOT NULL,
    client_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge VARCHAR(128) DEFAULT '' NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    grant_id BIGINT,
    PRIMARY KEY (code_hash),
    FOREIGN KEY(client_id) REFERENCES oauth_client (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(grant_id) REFERENCES oauth_grant (id) ON DELETE SET NULL
);

CREATE INDEX ix_oauth_code_expires_at ON oauth_code (expires_at);

CREATE TABLE oauth_token (
    token_hash VARCHAR(64) NOT NULL,
    grant_id BIGINT NOT NULL,
    kind VARCHAR(10) NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(grant_id) REFERENCES oauth_grant (id) ON DELETE CASCADE
);

CREATE INDEX ix_oauth_token_expires_at ON oauth_token (expires_at);

CREATE INDEX ix_oauth_token_grant_id ON oauth_token (grant_id);

CREATE TABLE sync_token (
    id BIGSERIAL NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    sealed BYTEA NOT NULL,
    library_id VARCHAR(36) NOT NULL,
    account_id BIGINT NOT NULL,
    device_link_id BIGINT,
    created_at BIGINT NOT NULL,
    peer_id VARCHAR(40),
    peer_name VARCHAR(255),
    peer_ip VARCHAR(128),
    client_version VARCHAR(255),
    synced_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (token_hash),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY(device_link_id) REFERENCES device_link (id) ON DELETE CASCADE
);

CREATE INDEX ix_sync_token_device_link_id ON sync_token (device_link_id);

CREATE INDEX ix_sync_token_peer_id ON sync_token (peer_id);

CREATE INDEX sync_token_account ON sync_token (account_id);

CREATE INDEX sync_token_library ON sync_token (library_id, account_id);

CREATE TABLE pushed_generation (
    library_id VARCHAR(36) NOT NULL,
    sync_token_id BIGINT NOT NULL,
    generation VARCHAR(36) NOT NULL,
    PRIMARY KEY (library_id, sync_token_id),
    FOREIGN KEY(library_id) REFERENCES library (id) ON DELETE CASCADE,
    FOREIGN KEY(sync_token_id) REFERENCES sync_token (id) ON DELETE CASCADE
);

CREATE INDEX pushed_generation_token ON pushed_generation (sync_token_id);
