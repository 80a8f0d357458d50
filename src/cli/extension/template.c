/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A project is put together from the pieces that its kinds need: one program, that works as it
 * is, and is short enough to be read before it is changed.
 */

#include <netext/netext.h>

#include "bundle/manifest.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/template.h"

#define FILTER  (1U << NX_PROVIDER_KIND_FILTER)
#define PROXIES (1U << NX_PROVIDER_KIND_TRANSPARENT_PROXY | 1U << NX_PROVIDER_KIND_APP_PROXY)

static const char proxy_includes[] = "#include <arpa/inet.h>\n"
                                     "#include <errno.h>\n"
                                     "#include <stdio.h>\n"
                                     "#include <string.h>\n"
                                     "#include <unistd.h>\n\n";

static const char filter_function[] =
        "\n"
        "/* Asked once for each new flow: mail is refused, and the rest allowed. */\n"
        "static enum nx_verdict decide(struct nx_filter *filter, struct nx_flow *flow, void "
        "*data)\n"
        "{\n"
        "        return nx_flow_get_remote_port(flow) == 25 ? NX_VERDICT_REFUSE : "
        "NX_VERDICT_ALLOW;\n"
        "}\n";

static const char proxy_functions[] =
        "\n"
        "/* Says what the proxy wants to be asked about: TCP to port 80. */\n"
        "static int start(struct nx_proxy *proxy, void *data)\n"
        "{\n"
        "        struct nx_rule http = { NX_RULE_INIT, .protocol = IPPROTO_TCP, .remote_port_first "
        "= 80 "
        "};\n"
        "        struct nx_proxy_settings *settings;\n"
        "        int r = nx_proxy_settings_new(&settings, false);\n"
        "        if (r == 0 && (r = nx_proxy_settings_include(settings, &http)) == 0)\n"
        "                r = nx_proxy_apply(proxy, settings, NULL, NULL);\n"
        "        nx_proxy_settings_free(r == 0 ? settings : NULL);\n"
        "        return r;\n"
        "}\n"
        "\n"
        "/* Connects to where the program wants to go, and has the platform carry the bytes. */\n"
        "static enum nx_verdict take(struct nx_proxy *proxy, struct nx_flow *flow, void *data)\n"
        "{\n"
        "        const char *address = nx_flow_get_remote_address(flow);\n"
        "        struct sockaddr_in6 to = { AF_INET6, htons(nx_flow_get_remote_port(flow)) };\n"
        "        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);\n"
        "        char text[64];\n"
        "        snprintf(text, sizeof(text), \"%s%s\", strchr(address, ':') ? \"\" : \"::ffff:\", "
        "address);\n"
        "        inet_pton(AF_INET6, text, &to.sin6_addr);\n"
        "        (void)nx_flow_attach(flow, fd);\n"
        "        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)\n"
        "                (void)nx_flow_fail(flow, -errno);\n"
        "        else if (nx_flow_splice(flow, fd) == 0)\n"
        "                return NX_VERDICT_CLAIM;\n"
        "        close(fd);\n"
        "        return NX_VERDICT_CLAIM;\n"
        "}\n";

static const char packet_function[] =
        "\n"
        "/* Called by several threads at once: what is larger than a page is dropped. */\n"
        "static enum nx_packet_verdict judge(struct nx_packet_filter *filter,\n"
        "                                    struct nx_packet_context *context, const char "
        "*interface,\n"
        "                                    enum nx_direction direction, const void *bytes, "
        "size_t size,\n"
        "                                    void *data)\n"
        "{\n"
        "        return size > 4096 ? NX_PACKET_VERDICT_DROP : NX_PACKET_VERDICT_ALLOW;\n"
        "}\n"
        "\n"
        "/* Says which packets it wants to see: those of pings that come in. */\n"
        "static int start_packets(struct nx_packet_filter *filter, void *data)\n"
        "{\n"
        "        struct nx_packet_rule ping = { NX_PACKET_RULE_INIT, .direction = "
        "NX_DIRECTION_INBOUND,\n"
        "                                       .protocol = 1 };\n"
        "        struct nx_packet_filter_settings *settings;\n"
        "        int r = nx_packet_filter_settings_new(&settings, false);\n"
        "        if (r == 0 && (r = nx_packet_filter_settings_add_rule(settings, &ping)) == 0)\n"
        "                r = nx_packet_filter_apply(filter, settings, NULL, NULL);\n"
        "        nx_packet_filter_settings_free(r == 0 ? settings : NULL);\n"
        "        return r;\n"
        "}\n";

static bool provides(const struct project *project, unsigned int kind)
{
        return project->kinds & 1U << kind;
}

/* text where it is wanted, else nothing. */
static const char *where(bool wanted, const char *text)
{
        return wanted ? text : "";
}

char *template_source(const struct project *project)
{
        bool has_proxy = project->kinds & PROXIES;

        return cli_format("/* %s: what each of its providers does stands above it. */\n"
                          "%s#include <netext/extension.h>\n%s%s%s\n"
                          "int main(void)\n"
                          "{\n"
                          "        static const struct nx_extension extension = {\n"
                          "                NX_EXTENSION_INIT,\n"
                          "                .identifier = \"%s\",\n"
                          "                .version = \"1.0\",\n%s%s%s%s"
                          "        };\n"
                          "        return nx_main(&extension, NULL);\n"
                          "}\n",
                          project->identifier, where(has_proxy, proxy_includes),
                          where(project->kinds & FILTER, filter_function),
                          where(has_proxy, proxy_functions),
                          where(provides(project, NX_PROVIDER_KIND_PACKET_FILTER), packet_function),
                          project->identifier,
                          where(provides(project, NX_PROVIDER_KIND_FILTER),
                                "                .filter = { .handle_new_flow = decide },\n"),
                          where(provides(project, NX_PROVIDER_KIND_TRANSPARENT_PROXY),
                                "                .transparent_proxy = { .start_proxy = start, "
                                ".handle_new_flow = take },\n"),
                          where(provides(project, NX_PROVIDER_KIND_APP_PROXY),
                                "                .app_proxy = { .start_proxy = start, "
                                ".handle_new_flow = take "
                                "},\n"),
                          where(provides(project, NX_PROVIDER_KIND_PACKET_FILTER),
                                "                .packet_filter = { .start_filter = start_packets, "
                                ".packet_handler = judge },\n"));
}

/* "\"filter\", \"app-proxy\"", with the suffix in each. Caller owns. */
static char *list_of(uint32_t kinds, const char *suffix)
{
        char *text = cli_format("%s", "");

        for (unsigned int kind = 0; kind < 32; kind++) {
                char *before = text;

                if (!(kinds & 1U << kind))
                        continue;
                text = cli_format("%s%s\"%s%s\"", before, *before ? ", " : "",
                                  manifest_provider_name(kind), suffix);
                free(before);
        }
        return text;
}

char *template_manifest(const struct project *project)
{
        _cleanup_free_ char *providers = list_of(project->kinds, "");
        _cleanup_free_ char *capabilities = list_of(project->kinds, "-provider");

        return cli_format("{\n"
                          "  \"identifier\": \"%s\",\n"
                          "  \"version\": \"1.0\",\n"
                          "  \"short_version\": \"1.0\",\n"
                          "  \"team\": \"%s\",\n"
                          "  \"name\": \"%s\",\n"
                          "  \"usage_description\": \"Shows how an extension is made.\",\n"
                          "  \"executable\": \"bin/%s\",\n"
                          "  \"providers\": [%s],\n"
                          "  \"capabilities\": [%s%s]\n"
                          "}\n",
                          project->identifier, project->team, project->name, project->name,
                          providers, capabilities,
                          where(project->kinds & PROXIES, ", \"network-client\""));
}

char *template_makefile(const struct project *project)
{
        return cli_format("# make               builds the bundle, which is the folder bundle/\n"
                          "# make KEY=my.key    signs it too, and makes the key if there is none\n"
                          "NETEXTCTL ?= netextctl\n"
                          "CFLAGS ?= -O2 -Wall\n"
                          "SDK_CFLAGS := $(shell pkg-config --cflags netext)\n"
                          "SDK_LIBS := $(shell pkg-config --libs netext)\n"
                          "\n"
                          "all: $(if $(KEY),sign,bundle)\n"
                          "\n"
                          "bundle: bundle/bin/%s bundle/manifest.json\n"
                          "\n"
                          "bundle/bin/%s: main.c\n"
                          "\tmkdir -p bundle/bin\n"
                          "\t$(CC) $(CFLAGS) $(SDK_CFLAGS) $(LDFLAGS) -o $@ $< $(SDK_LIBS)\n"
                          "\n"
                          "bundle/manifest.json: manifest.json\n"
                          "\tmkdir -p bundle\n"
                          "\tcp $< $@\n"
                          "\n"
                          "sign: bundle $(KEY)\n"
                          "\t$(NETEXTCTL) extension sign bundle --key $(KEY)\n"
                          "\n"
                          "%%.key:\n"
                          "\t$(NETEXTCTL) extension keygen $*\n"
                          "\n"
                          "clean:\n"
                          "\trm -rf bundle\n"
                          "\n"
                          ".PHONY: all bundle sign clean\n",
                          project->name, project->name);
}
