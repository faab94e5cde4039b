(* The statements that one reads first. Each is closed by a theorem of the file that proves it.

   The model, the task and the query stand in transformer.v, task.v and kernel.v; what a proof of
   one deciding position is (`run_proven`) in kernel.v, from the rules of rules.v, heads.v and
   units.v. docs/machine-checked.md, "The kernel", has them beside docs/certificates.md. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products unread_columns stated rules units weights.
From kernel Require Import leaked heads copied_values kernel chain.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* Columns that no matrix reads change nothing: over the integers, of attention and MLPs. *)
Theorem unread_columns_over_integers (weigh : weighing int_realDomainType) d (unread : pred 'I_d)
    n (ls : seq (layer int_realDomainType d)) m (U : 'M[int]_(m, d)) (x y : streams _ d n) p :
  every (layer_is_blind unread) ls -> blind unread U ->
  (forall q c, ~~ unread c -> x q c 0 = y q c 0) ->
  U *m forward weigh ls x p = U *m forward weigh ls y p.
Proof. exact: unread_columns_change_no_logit. Qed.

(* Passes compose: what is stated before the first pass, and kept by each for every case and every
   choice of rows, is stated after the last, at the node to which all letters lead. *)
Theorem all_passes (F : realDomainType) N R d n (T : task N R)
    (held : 'I_n.+1 -> token N R -> 'cV[F]_d) (may : 'I_n.+1 -> token N R -> Prop)
    (passes : seq (pass F d n)) st st' t e u w x :
  proven T held may passes st st' -> possible may t -> holds held st t e u x ->
  [seq t p | p <- positions_taken passes] = [seq Letter r | r <- w] -> claimed T w (walk T u e) ->
  exists e' u', holds held st' t e' u' (run passes x) /\ walk T u' e' = walk T w (walk T u e).
Proof. exact: passes_compose. Qed.

Section Softmax.
Variables (F : realFieldType) (expo : F -> F).
Hypothesis expo_is : exponential expo.
Variables (N R : nat) (T : task N R) (m : model F N R).

(* A model of k hops that is proven answers every claimed query of k relations right: the logit of
   the node to which its path leads, an entity or *unknown*, is above all others by the margin,
   with softmax in full. *)
Theorem direct_model_is_right k any margin :
  run_proven T m (softmax_leak expo k) (@query_kinds N R k) any
    ord0 [seq lift ord0 i | i <- enum 'I_k] (name R) margin ->
  forall s (w : k.-tuple (letter R)), claimed T w (Some s) ->
  forall v, vocabulary m v -> v <> name R (walk T w (Some s)) ->
    logit (softmax expo) m (query_tokens s w) v + margin
      <= logit (softmax expo) m (query_tokens s w) (name R (walk T w (Some s))).
Proof.
by move=> proof s w /(direct_model_right (@softmax_leaks F expo expo_is k) proof)[].
Qed.

(* A model with a chain of thought that is proven writes, after every claimed query of 1 to K
   relations, the nodes to which j, 2j, 3j ... and at last all of its relations lead, and END. *)
Theorem chain_is_right K j margin next :
  (0 < j)%N -> chain_proven K j T m (fun n => softmax_leak expo n) margin -> 0 < margin ->
  greedy m (softmax expo) next ->
  forall s w, (0 < size w <= K)%N -> claimed T w (Some s) ->
  generated next (steps j (size w)).+1 (chain_prompt K j T s w 0)
    = rcons [seq name R (walk T (take (i.+1 * j) w) (Some s)) | i <- iota 0 (steps j (size w))]
        End.
Proof.
move=> j_gt0 proof margin_gt0 best s w.
exact: (chain_right j_gt0 (@softmax_leaks F expo expo_is) proof margin_gt0 best).
Qed.

(* The kernel's bound on leaks is one. *)
Theorem leak_is_bounded n gap : softmax_leak expo n gap%:R <= n%:R / (n%:R + power F gap).
Proof. exact: leaked_bounds_softmax. Qed.

(* With each attention weight at its limit, the same holds with leaks of 0. *)
Theorem direct_model_is_right_in_the_limit k any margin :
  run_proven T m (@limit_leak F) (@query_kinds N R k) any
    ord0 [seq lift ord0 i | i <- enum 'I_k] (name R) margin ->
  forall s (w : k.-tuple (letter R)), claimed T w (Some s) ->
  says (@limit_weighing F) m (query_tokens s w) (name R (walk T w (Some s))) margin.
Proof. by move=> proof s w; apply: (direct_model_right (@limit_leaks F k) proof). Qed.

End Softmax.
