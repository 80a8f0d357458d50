/* SPDX-License-Identifier: Apache-2.0 */

/* The manifest's words, and what it owns. */

#include <errno.h>
#include <stdlib.h>

#include <netext/netext.h>

#include "bundle/manifest.h"

static const char *const categories[_MANIFEST_CATEGORY_MAX] = {
        [MANIFEST_CATEGORY_NETWORK] = "network",
        [MANIFEST_CATEGORY_ENDPOINT_SECURITY] = "endpoint-security",
        [MANIFEST_CATEGORY_DRIVER] = "driver",
        [MANIFEST_CATEGORY_CAMERA] = "camera",
};

static const char *const scopes[_MANIFEST_SCOPE_MAX] = {
        [MANIFEST_SCOPE_SYSTEM] = "system",
        [MANIFEST_SCOPE_SESSION] = "session",
};

static const char *const capabilities[_MANIFEST_CAPABILITY_MAX] = {
        [MANIFEST_CAPABILITY_FILTER_PROVIDER] = "filter-provider",
        [MANIFEST_CAPABILITY_TRANSPARENT_PROXY_PROVIDER] = "transparent-proxy-provider",
        [MANIFEST_CAPABILITY_APP_PROXY_PROVIDER] = "app-proxy-provider",
        [MANIFEST_CAPABILITY_BYTE_INSPECTION] = "byte-inspection",
        [MANIFEST_CAPABILITY_NETWORK_CLIENT] = "network-client",
        [MANIFEST_CAPABILITY_PACKET_FILTER_PROVIDER] = "packet-filter-provider",
};

static const char *const peer_kinds[_MANIFEST_PEER_MAX] = {
        [MANIFEST_PEER_USER] = "user",         [MANIFEST_PEER_GROUP] = "group",
        [MANIFEST_PEER_TEAM] = "team",         [MANIFEST_PEER_EXECUTABLE] = "executable",
        [MANIFEST_PEER_EVERYONE] = "everyone",
};

static const char *const providers[] = {
        [NX_PROVIDER_KIND_FILTER] = "filter",
        [NX_PROVIDER_KIND_TRANSPARENT_PROXY] = "transparent-proxy",
        [NX_PROVIDER_KIND_APP_PROXY] = "app-proxy",
        [NX_PROVIDER_KIND_PACKET_FILTER] = "packet-filter",
};

const char *manifest_category_name(enum manifest_category category)
{
        return category < _MANIFEST_CATEGORY_MAX ? categories[category] : NULL;
}

const char *manifest_scope_name(enum manifest_scope scope)
{
        return scope < _MANIFEST_SCOPE_MAX ? scopes[scope] : NULL;
}

const char *manifest_capability_name(enum manifest_capability capability)
{
        return capability < _MANIFEST_CAPABILITY_MAX ? capabilities[capability] : NULL;
}

const char *manifest_peer_kind_name(enum manifest_peer_kind kind)
{
        return kind < _MANIFEST_PEER_MAX ? peer_kinds[kind] : NULL;
}

const char *manifest_provider_name(unsigned int kind)
{
        return kind < sizeof(providers) / sizeof(providers[0]) ? providers[kind] : NULL;
}

int manifest_provider_capability(unsigned int kind)
{
        switch (kind) {
        case NX_PROVIDER_KIND_FILTER:
                return MANIFEST_CAPABILITY_FILTER_PROVIDER;
        case NX_PROVIDER_KIND_TRANSPARENT_PROXY:
                return MANIFEST_CAPABILITY_TRANSPARENT_PROXY_PROVIDER;
        case NX_PROVIDER_KIND_APP_PROXY:
                return MANIFEST_CAPABILITY_APP_PROXY_PROVIDER;
        case NX_PROVIDER_KIND_PACKET_FILTER:
                return MANIFEST_CAPABILITY_PACKET_FILTER_PROVIDER;
        default:
                return -EINVAL;
        }
}

void manifest_strings_free(char **strings)
{
        for (char **string = strings; string && *string; string++)
                free(*string);
        free(strings);
}

static void endpoint_deinit(struct manifest_endpoint *endpoint)
{
        free(endpoint->name);
        for (size_t i = 0; i < endpoint->n_peers; i++)
                free(endpoint->peers[i].value);
        free(endpoint->peers);
        manifest_strings_free(endpoint->activation);
}

void manifest_deinit(struct manifest *manifest)
{
        free(manifest->identifier);
        free(manifest->version);
        free(manifest->short_version);
        free(manifest->team);
        free(manifest->requires_netext);
        free(manifest->name);
        free(manifest->vendor);
        free(manifest->usage_description);
        free(manifest->icon);
        free(manifest->executable);
        for (size_t i = 0; i < manifest->n_endpoints; i++)
                endpoint_deinit(&manifest->endpoints[i]);
        free(manifest->endpoints);
        manifest_strings_free(manifest->groups);
        *manifest = (struct manifest){};
}
