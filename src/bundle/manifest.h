/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * manifest.json: what a bundle says that it is. What is in it is in netext-bundle(5).
 */

#include <stddef.h>
#include <stdint.h>

#include "bundle/report.h"

#define MANIFEST_FILE     "manifest.json"
#define MANIFEST_SIZE_MAX (64 * 1024)
#define MANIFEST_TEXT_MAX 500 /* bytes of a text for people */

/* TEAM.identifier.name is a file name. */
#define MANIFEST_IDENTIFIER_MAX 128
#define MANIFEST_TEAM_MAX       32
#define MANIFEST_NAME_MAX       64 /* of an endpoint, and of a group */

#define MANIFEST_ENDPOINTS_MAX  32
#define MANIFEST_PEERS_MAX      64
#define MANIFEST_ACTIVATION_MAX 16 /* words of a command */
#define MANIFEST_GROUPS_MAX     16

#define MANIFEST_GRACE_TIME_MAX 604800 /* seconds: a week */

enum manifest_category {
        MANIFEST_CATEGORY_NETWORK,
        MANIFEST_CATEGORY_ENDPOINT_SECURITY,
        MANIFEST_CATEGORY_DRIVER,
        MANIFEST_CATEGORY_CAMERA,
        _MANIFEST_CATEGORY_MAX,
};

/* What its sessions have in common. */
enum manifest_scope {
        MANIFEST_SCOPE_SYSTEM,  /* one process and one state folder, of all of them */
        MANIFEST_SCOPE_SESSION, /* nothing: each has a process and a state folder of its own */
        _MANIFEST_SCOPE_MAX,
};

/* In the manifest's list `capabilities`; struct manifest has a bit for each. */
enum manifest_capability {
        MANIFEST_CAPABILITY_FILTER_PROVIDER,
        MANIFEST_CAPABILITY_TRANSPARENT_PROXY_PROVIDER,
        MANIFEST_CAPABILITY_APP_PROXY_PROVIDER,
        MANIFEST_CAPABILITY_BYTE_INSPECTION,
        MANIFEST_CAPABILITY_NETWORK_CLIENT, /* to make internet sockets of its own */
        MANIFEST_CAPABILITY_PACKET_FILTER_PROVIDER,
        _MANIFEST_CAPABILITY_MAX,
};

enum manifest_peer_kind {
        MANIFEST_PEER_USER,       /* a name, or a number */
        MANIFEST_PEER_GROUP,      /* the same */
        MANIFEST_PEER_TEAM,       /* an extension of that team */
        MANIFEST_PEER_EXECUTABLE, /* an absolute path */
        MANIFEST_PEER_EVERYONE,   /* without a value */
        _MANIFEST_PEER_MAX,
};

struct manifest_peer {
        enum manifest_peer_kind kind;
        char *value; /* NULL for everyone */
};

struct manifest_endpoint {
        char *name;
        struct manifest_peer *peers;
        size_t n_peers;
        char **activation; /* a command and its arguments; ends with NULL. NULL: none */
};

/* All strings are owned; those that may be left out are NULL then. */
struct manifest {
        char *identifier;
        char *version;
        char *short_version;
        char *team;
        char *requires_netext; /* the least version; may be NULL */
        char *name;
        char *vendor; /* may be NULL */
        char *usage_description;
        char *icon; /* may be NULL */
        enum manifest_category category;
        enum manifest_scope scope;
        uint32_t kinds;        /* 1 << enum nx_provider_kind */
        uint32_t capabilities; /* 1 << enum manifest_capability */
        uint32_t grace_time;   /* seconds for the flows of a process that was replaced; 0: not said */
        char *executable;
        struct manifest_endpoint *endpoints;
        size_t n_endpoints;
        char **groups; /* ends with NULL */
        size_t n_groups;
};

void manifest_deinit(struct manifest *manifest);
/* Of an array that ends with NULL, with its strings. NULL is fine. */
void manifest_strings_free(char **strings);

/*
 * Reads the size bytes of text; problems go to the report, with their keys, and whatever can
 * be read is. Whether paths name files of the bundle is for others to say.
 */
void manifest_parse(struct manifest *ret, const char *text, size_t size,
                    struct bundle_report *report);

/* The words of the manifest; NULL for other numbers. */
const char *manifest_category_name(enum manifest_category category);
const char *manifest_scope_name(enum manifest_scope scope);
const char *manifest_capability_name(enum manifest_capability capability);
const char *manifest_peer_kind_name(enum manifest_peer_kind kind);
/* "filter", for enum nx_provider_kind. */
const char *manifest_provider_name(unsigned int kind);
/* The capability that a provider of this kind needs, or -EINVAL. */
int manifest_provider_capability(unsigned int kind);

/* com.example.filter; 1.4.2; EXAMPLE; the name of an endpoint or group. */
bool manifest_is_identifier(const char *text);
bool manifest_is_version(const char *text);
bool manifest_is_team(const char *text);
bool manifest_is_name(const char *text);
/* What is wrong with the value of such a peer, or NULL. */
const char *manifest_peer_problem(enum manifest_peer_kind kind, const char *value);
/* Everything that has to be there is, and has its form: for a manifest that others have read. */
bool manifest_is_sound(const struct manifest *manifest);
