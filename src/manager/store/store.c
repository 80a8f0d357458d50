/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store's door: what may be asked of it, and what it does when it opens. Whoever asks gets the
 * number of a request at once; what becomes of that is for the request to say.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/store/activation.h"
#include "manager/store/database.h"
#include "manager/store/life.h"
#include "manager/store/recovery.h"

#define REFUSALS_KEPT 16

static void request_changed(struct request *request, void *userdata)
{
        struct store *store = userdata;

        store->listener->request(request, store->userdata);
}

void store_init(struct store *store)
{
        *store = (struct store){ .place = { .store_fd = -1 }, .developer_by = ACTOR_NULL };
        list_init(&store->lives);
        list_init(&store->approvals);
        list_init(&store->activations);
        list_init(&store->refusals);
        list_init(&store->recoveries);
        request_log_init(&store->requests);
}

static void refusal_free(struct refusal *refusal)
{
        list_remove(&refusal->link);
        bundle_report_deinit(&refusal->report);
        free(refusal->identifier);
        free(refusal);
}

void store_deinit(struct store *store)
{
        struct refusal *refusal;
        struct life *life;

        activations_free(store);
        recovery_end(store);
        while ((life = list_first(&store->lives, struct life, link)))
                life_free(life);
        while ((refusal = list_first(&store->refusals, struct refusal, link)))
                refusal_free(refusal);
        approvals_forget(&store->approvals, NULL);
        actor_deinit(&store->developer_by);
        request_log_deinit(&store->requests);
        store->place.store_fd = close_fd(store->place.store_fd);
}

/* --- opening ------------------------------------------------------------------------------ */

static bool has_copy(const struct life *life, const struct request *request)
{
        const struct copy *copies[] = { life->active, life->coming, life->next };

        for (size_t i = 0; i < ARRAY_SIZE(copies); i++)
                if (copies[i] && copies[i]->request == request->number)
                        return true;
        return false;
}

static bool goes_on(const struct store *store, const struct request *request)
{
        const struct life *life;

        list_for_each (life, &store->lives, link) {
                if (request->kind == REQUEST_ACTIVATE && has_copy(life, request))
                        return true;
                if (request->kind == REQUEST_DEACTIVATE && life->active && request->identifier &&
                    strcmp(life->identifier, request->identifier) == 0)
                        return true;
        }
        return false;
}

/* Every request that an earlier netextd left without an outcome goes on, or gets one here. */
static void end_interrupted(struct store *store)
{
        struct request *request;

        list_for_each (request, &store->requests.requests, link) {
                if (request_is_ended(request) || goes_on(store, request))
                        continue;
                if (request->kind == REQUEST_DEACTIVATE)
                        request_finish(&store->requests, request, NULL);
                else
                        request_fail(
                                &store->requests, request, NX_REQUEST_ERROR_UNKNOWN,
                                strdup("netextd ended before the bundle was staged; ask again"));
        }
}

/* Deactivations that were under way; those that had not begun are begun. */
static void resume_removals(struct store *store)
{
        struct request *request;

        list_for_each (request, &store->requests.requests, link) {
                struct life *life =
                        request->identifier ? store_find(store, request->identifier) : NULL;

                if (request_is_ended(request) || request->kind != REQUEST_DEACTIVATE || !life)
                        continue;
                if (life->active && life->active->state == COPY_TERMINATING_FOR_UNINSTALL)
                        life->removal = request;
                else
                        life_remove(life, request);
        }
}

int store_take_up(struct store *store)
{
        _cleanup_free_ char *damage = NULL;
        struct life *life, *following;
        int r;

        if (store->place.store_fd < 0)
                return 0;
        r = request_log_open(&store->requests, store->place.store_fd, request_changed, store);
        if (r < 0)
                return r;
        database_load(store);
        damage = recovery_find_damage(store);
        (void)(damage ? database_collect_staging(store) : database_collect(store));
        end_interrupted(store);
        resume_removals(store);
        list_for_each_safe (life, following, &store->lives, link)
                life_resume(life);
        if (damage)
                recovery_begin(store);
        return 0;
}

static int open_folder(struct store *store)
{
        int fd = staged_open_store(store->folder);

        if (fd < 0)
                return fd;
        store->place.store_fd = fd;
        return 0;
}

int store_open(struct store *store, const struct store_place *place, const char *folder,
               const struct policy *policy, const struct store_runner *runner,
               const struct store_listener *listener, void *userdata)
{
        int r;

        store->place = *place;
        store->place.store_fd = -1;
        store->folder = folder;
        store->policy = policy;
        store->runner = runner;
        store->listener = listener;
        store->userdata = userdata;
        store->requests.changed_fn = request_changed;
        store->requests.userdata = store;
        if (access(folder, F_OK) < 0 && errno == ENOENT)
                return 0;
        r = open_folder(store);
        if (r < 0)
                log_error("cannot open the state directory %s: %s", folder,
                          r == -EWOULDBLOCK ? "another netextd uses it" : strerror(-r));
        return r;
}

int store_make(struct store *store, char **ret_problem)
{
        int r;

        if (store->place.store_fd >= 0)
                return 0;
        r = open_folder(store);
        if (r < 0)
                return text_problem(ret_problem, r, "cannot make the state directory %s: %s",
                                    store->folder, strerror(-r));
        return request_log_open(&store->requests, store->place.store_fd, request_changed, store);
}

void store_save(struct store *store)
{
        int r = database_save(store);

        if (r < 0)
                log_error("cannot write down which extensions are installed in %s: %s; a later "
                          "netextd will not know what changed",
                          store->folder, strerror(-r));
        store_changed(store);
}

void store_changed(struct store *store)
{
        store->listener->changed(store->userdata);
}

static bool is_enabled(const struct copy *copy)
{
        return copy && !copy->damaged &&
               (copy->state == COPY_ENABLING || copy->state == COPY_ENABLED ||
                copy->state == COPY_TERMINATING_FOR_UPGRADE);
}

static void visit(const struct copy *copy, store_copy_fn *fn, void *userdata)
{
        _cleanup_free_ char *folder = is_enabled(copy) ? copy_get_folder(copy) : NULL;

        if (folder)
                fn(copy, folder, userdata);
}

void store_for_each_enabled(const struct store *store, store_copy_fn *fn, void *userdata)
{
        const struct life *life;
        const struct copy *leaving;

        list_for_each (life, &store->lives, link) {
                visit(life->active, fn, userdata);
                visit(life->coming, fn, userdata);
                list_for_each (leaving, &life->leaving, link)
                        visit(leaving, fn, userdata);
        }
}

/* --- finding ------------------------------------------------------------------------------- */

static bool is_called(const struct life *life, const char *word)
{
        const struct copy *copy = life_get_copy(life);
        const char *team = copy ? copy->bundle.manifest.team : NULL;
        size_t length = team ? strlen(team) : 0;

        if (strcmp(life->identifier, word) == 0)
                return true;
        return team && strncmp(word, team, length) == 0 && word[length] == '.' &&
               strcmp(word + length + 1, life->identifier) == 0;
}

static uint64_t to_number(const char *word)
{
        return *word && strspn(word, "0123456789") == strlen(word) ? strtoull(word, NULL, 10) : 0;
}

struct life *store_find(const struct store *store, const char *word)
{
        const struct request *request = request_log_find(&store->requests, to_number(word));
        struct life *life;

        if (request && request->identifier)
                word = request->identifier;
        list_for_each (life, &store->lives, link)
                if (is_called(life, word))
                        return life;
        return NULL;
}

static int find_installed(const struct store *store, const char *word, struct life **ret_life,
                          char **ret_problem)
{
        *ret_life = store_find(store, word);
        if (*ret_life && life_get_copy(*ret_life))
                return 0;
        return text_problem(ret_problem, -ENOENT,
                            "there is no extension \"%s\"; see netextctl extension list", word);
}

const struct refusal *store_find_refusal(const struct store *store, const char *word)
{
        const struct refusal *refusal, *found = NULL;
        uint64_t number = to_number(word);

        list_for_each (refusal, &store->refusals, link)
                if ((number && refusal->request == number) ||
                    (refusal->identifier && strcmp(refusal->identifier, word) == 0))
                        found = refusal;
        return found;
}

void store_keep_report(struct store *store, uint64_t request, const char *identifier,
                       struct bundle *bundle)
{
        struct refusal *refusal = calloc(1, sizeof(*refusal)), *oldest;
        unsigned int n = 0;

        if (!refusal)
                return;
        refusal->request = request;
        refusal->identifier = identifier ? strdup(identifier) : NULL;
        refusal->report = bundle->report;
        bundle->report = (struct bundle_report){};
        list_append(&store->refusals, &refusal->link);
        list_for_each (oldest, &store->refusals, link)
                n++;
        if (n > REFUSALS_KEPT)
                refusal_free(list_first(&store->refusals, struct refusal, link));
}

int store_find_executable(const struct store *store, const char *word, char **ret_path,
                          char **ret_problem)
{
        _cleanup_free_ char *folder = NULL;
        const struct copy *active;
        struct life *life = NULL;
        int r;

        r = find_installed(store, word, &life, ret_problem);
        if (r < 0)
                return r;
        active = life->active;
        if (!active || active->state != COPY_ENABLED || !active->bundle.manifest.executable)
                return text_problem(ret_problem, -ESRCH,
                                    "extension: %s is %s; see netextctl extension why %s", word,
                                    copy_state_to_string(life_get_copy(life)->state), word);
        folder = copy_get_folder(active);
        text_set(ret_path, "%s/%s/%s", store->folder, folder, active->bundle.manifest.executable);
        return *ret_path ? 0 : -ENOMEM;
}

const struct copy *store_find_runnable(const struct store *store, const char *identifier)
{
        const struct life *life = store_find(store, identifier);
        const struct copy *active = life ? life->active : NULL;

        if (life && life->coming && life->coming->state == COPY_ENABLING && !life->check.copy)
                return life->coming;
        return active && (active->state == COPY_ENABLED || active->state == COPY_ENABLING) ? active
                                                                                           : NULL;
}

/* --- asking -------------------------------------------------------------------------------- */

int store_activate(struct store *store, int source_fd, const char *source,
                   enum request_replace replace, uint64_t *ret_request, char **ret_problem)
{
        struct request *request;
        int r;

        r = staging_check_source(source_fd, ret_problem);
        if (r >= 0)
                r = store_make(store, ret_problem);
        if (r < 0)
                return r;
        r = request_log_add(&store->requests, REQUEST_ACTIVATE, &request);
        if (r == -EBUSY)
                return text_problem(ret_problem, r,
                                    "%d requests have no outcome yet; wait for some",
                                    REQUESTS_PENDING);
        if (r < 0)
                return r;
        *ret_request = request->number;
        request->replace = replace;
        request->source = strdup(source);
        r = activation_add(store, request, source_fd);
        if (r < 0)
                request_fail(&store->requests, request, NX_REQUEST_ERROR_UNKNOWN,
                             strdup(strerror(-r)));
        return r;
}

static int permit(const struct store *store, const struct life *life, enum policy_action action,
                  enum policy_caller caller, char **ret_why)
{
        const struct policy_subject subject = copy_to_subject(life_get_copy(life));

        return policy_permit(store->policy, &subject, action, caller, ret_why);
}

static int deactivate(struct store *store, struct life *life, uint64_t *ret_request,
                      char **ret_problem)
{
        const struct manifest *manifest = &life_get_copy(life)->bundle.manifest;
        struct request *request;
        int r;

        r = request_log_add(&store->requests, REQUEST_DEACTIVATE, &request);
        if (r < 0)
                return text_problem(ret_problem, r, "%s",
                                    r == -EBUSY
                                            ? "too many requests have no outcome yet; wait for some"
                                            : strerror(-r));
        *ret_request = request->number;
        request->identifier = strdup(life->identifier);
        request->team = strdup(manifest->team);
        life_remove(life, request);
        return 0;
}

int store_deactivate(struct store *store, const char *word, uint64_t *ret_request,
                     char **ret_problem)
{
        struct life *life = NULL;
        int r;

        r = find_installed(store, word, &life, ret_problem);
        if (r >= 0)
                r = permit(store, life, POLICY_REMOVE, POLICY_ADMINISTRATOR, ret_problem);
        return r < 0 ? r : deactivate(store, life, ret_request, ret_problem);
}

int store_permit_removal(const struct store *store, const char *word, enum policy_caller caller)
{
        const struct life *life = store_find(store, word);

        return life && life_get_copy(life) ? permit(store, life, POLICY_REMOVE, caller, NULL)
                                           : -ENOENT;
}

int store_deny(struct store *store, enum request_kind kind, const char *word, const char *why,
               uint64_t *ret_request)
{
        const struct life *life = kind == REQUEST_DEACTIVATE ? store_find(store, word) : NULL;
        struct request *request;
        int r;

        r = request_log_add(&store->requests, kind, &request);
        if (r < 0)
                return r;
        *ret_request = request->number;
        if (life)
                request->identifier = strdup(life->identifier);
        else
                request->source = strdup(strlen(word) < PATH_MAX ? word : "?");
        request_fail(&store->requests, request, NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED,
                     strdup(why));
        return 0;
}

static struct life *find_asking(const struct store *store, uint64_t number)
{
        struct life *life;

        list_for_each (life, &store->lives, link)
                if (life->coming && life->coming->request == number &&
                    life->coming->state == COPY_WAITING_TO_UPGRADE)
                        return life;
        return NULL;
}

int store_reply(struct store *store, uint64_t request, bool replace, char **ret_problem)
{
        struct life *life = find_asking(store, request);

        if (!request_log_find(&store->requests, request))
                return text_problem(ret_problem, -ENOENT, "there is no request %llu",
                                    (unsigned long long)request);
        if (!life)
                return text_problem(ret_problem, -EALREADY, "request %llu waits for no reply",
                                    (unsigned long long)request);
        life_reply(life, replace);
        return 0;
}

void store_audience_left(struct store *store, uint64_t request)
{
        struct life *life = store->ending ? NULL : find_asking(store, request);

        if (life)
                life_abandon(life);
}

static int find_waiting(struct store *store, const char *word, struct life **ret_life,
                        char **ret_problem)
{
        int r;

        r = find_installed(store, word, ret_life, ret_problem);
        if (r < 0)
                return r;
        if (!life_get_waiting(*ret_life))
                return text_problem(ret_problem, -ENOENT, "%s does not wait for approval: it is %s",
                                    word, copy_state_to_string(life_get_copy(*ret_life)->state));
        return 0;
}

int store_approve(struct store *store, const char *word, const struct actor *by, char **ret_problem)
{
        _cleanup_free_ char *who = actor_describe(by);
        struct life *life = NULL;
        int r;

        r = find_waiting(store, word, &life, ret_problem);
        if (r >= 0 &&
            life_ask_policy(life, life_get_waiting(life), ret_problem) == POLICY_FORBIDDEN)
                r = -EPERM;
        if (r >= 0)
                r = approval_add(&store->approvals, life_get_waiting(life), by);
        if (r < 0)
                return r;
        log_info("%s is approved by %s", life->identifier, who ?: "somebody");
        store_save(store);
        life_reconcile(life);
        return 0;
}

int store_refuse(struct store *store, const char *word, const struct actor *by, char **ret_problem)
{
        struct life *life = NULL;
        int r;

        r = find_waiting(store, word, &life, ret_problem);
        if (r < 0)
                return r;
        if (life_get_waiting(life) == life->active)
                return text_problem(ret_problem, -EALREADY,
                                    "%s is installed and not approved, so it does not run; to take "
                                    "it away: netextctl extension deactivate %s",
                                    life->identifier, life->identifier);
        life_refuse(life, by);
        return 0;
}

int store_switch(struct store *store, const char *word, bool on, char **ret_problem)
{
        struct life *life = NULL;
        int r;

        r = find_installed(store, word, &life, ret_problem);
        if (r >= 0 && !on)
                r = permit(store, life, POLICY_DISABLE, POLICY_ADMINISTRATOR, ret_problem);
        if (r < 0)
                return r;
        if (!life->active)
                return text_problem(ret_problem, -EALREADY, "%s is not enabled yet",
                                    life->identifier);
        life->active->switched_off = !on;
        store_save(store);
        life_reconcile(life);
        return 0;
}

static void reconcile(struct store *store)
{
        struct life *life, *following;

        list_for_each_safe (life, following, &store->lives, link)
                life_reconcile(life);
}

int store_set_developer(struct store *store, bool developer, const struct actor *by,
                        char **ret_problem)
{
        int r = store_make(store, ret_problem);

        if (r >= 0)
                r = actor_copy(&store->developer_by, by);
        if (r < 0)
                return r;
        if (store->developer != developer)
                log_warning("developer mode is %s",
                            developer ? "on: anybody may sign extensions" : "off");
        store->developer = developer;
        store->developer_ns = clock_realtime_ns();
        store_save(store);
        reconcile(store);
        return 0;
}

int store_reset(struct store *store, unsigned int *ret_n, char **ret_problem)
{
        struct life *life, *following;
        uint64_t request;
        int r;

        list_for_each (life, &store->lives, link) {
                r = life_get_copy(life)
                            ? permit(store, life, POLICY_REMOVE, POLICY_ADMINISTRATOR, ret_problem)
                            : 0;
                if (r < 0)
                        return r;
        }
        *ret_n = 0;
        list_for_each_safe (life, following, &store->lives, link) {
                if (!life_get_copy(life))
                        continue;
                r = deactivate(store, life, &request, ret_problem);
                if (r < 0)
                        return r;
                ++*ret_n;
        }
        return 0;
}

int store_collect(struct store *store, unsigned int *ret_n, char **ret_problem)
{
        *ret_n = 0;
        if (store->place.store_fd >= 0)
                *ret_n = database_collect(store) + database_collect_damage(store);
        return 0;
}

/* --- being told ----------------------------------------------------------------------------- */

void store_end(struct store *store)
{
        store->ending = true;
        activations_free(store);
        recovery_end(store);
}

void store_policy_changed(struct store *store)
{
        if (!store->ending)
                reconcile(store);
}

void store_settled(struct store *store, const char *identifier, int result, const char *message)
{
        struct life *life = store->ending ? NULL : store_find(store, identifier);

        if (life && !life->check.copy) /* else it is news of what was before */
                life_settled(life, result, message);
}

void store_gone(struct store *store, const char *identifier)
{
        struct life *life = store->ending ? NULL : store_find(store, identifier);

        if (life)
                life_gone(life);
}

void store_process_gone(struct store *store, const char *identifier)
{
        struct life *life = store->ending ? NULL : store_find(store, identifier);

        if (life)
                life_drop_unused(life);
}

void store_vouch(struct store *store, const char *identifier)
{
        struct life *life = store_find(store, identifier);
        const struct copy *active = life ? life->active : NULL;
        _cleanup_free_ char *why = NULL;

        if (active && (active->state == COPY_ENABLING || active->state == COPY_ENABLED)) {
                life_vouch(life);
                return;
        }
        text_set(&why, "it is %s", active ? copy_state_to_string(active->state) : "not installed");
        store->runner->vouched(identifier, why ?: "it is not enabled", store->userdata);
}

/* Where it is there already, who has it keeps it. */
static int make_folder(const struct store *store, const char *folder, mode_t mode,
                       char **ret_problem)
{
        _cleanup_fd_ int fd = -1;

        if (!folder)
                return -ENOMEM;
        fd = staged_open(store->place.store_fd, folder);
        if (fd == -ENOENT)
                fd = staged_make(store->place.store_fd, folder, 0, mode);
        return fd < 0 ? text_problem(ret_problem, fd, "cannot make %s/%s: %s", store->folder,
                                     folder, strerror(-fd))
                      : 0;
}

static int make_own_folder(const struct store *store, const char *folder, char **ret_path,
                           char **ret_problem)
{
        int r = make_folder(store, folder, 0700, ret_problem);

        if (r < 0)
                return r;
        text_set(ret_path, "%s/%s", store->folder, folder);
        return *ret_path ? 0 : -ENOMEM;
}

int store_make_data_folder(const struct store *store, const char *identifier, char **ret_path,
                           char **ret_problem)
{
        _cleanup_free_ char *folder = NULL;

        text_set(&folder, "data/%s", identifier);
        return make_own_folder(store, folder, ret_path, ret_problem);
}

int store_make_session_folder(const struct store *store, const char *identifier, uid_t user,
                              const char *session, char **ret_path, char **ret_problem)
{
        _cleanup_free_ char *folder = NULL;

        text_set(&folder, "data/%s/%u/%s", identifier, user, session);
        return make_own_folder(store, folder, ret_path, ret_problem);
}

static int make_group_folder(const struct store *store, const char *team, const char *group,
                             char **ret_problem)
{
        _cleanup_free_ char *folder = NULL;

        text_set(&folder, "groups/%s/%s", team, group);
        return make_folder(store, folder, S_ISGID | 0770, ret_problem);
}

int store_make_group_folders(const struct store *store, const struct manifest *manifest,
                             char **ret_path, char **ret_problem)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manifest->n_groups; i++)
                r = make_group_folder(store, manifest->team, manifest->groups[i], ret_problem);
        if (r < 0 || manifest->n_groups == 0)
                return r;
        text_set(ret_path, "%s/groups/%s", store->folder, manifest->team);
        return *ret_path ? 0 : -ENOMEM;
}

int store_permit_stop(const struct store *store, const char *identifier, char **ret_why)
{
        const struct life *life = store_find(store, identifier);

        if (!life || !life->active)
                return 0;
        return permit(store, life, POLICY_STOP_SESSION, POLICY_ADMINISTRATOR, ret_why);
}
